#pragma once

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

namespace notifications::bench {

// Says what is wrong and ends the program with code 1.
[[noreturn]] inline void fail(const std::string& what) {
  std::fprintf(stderr, "benchmark failed: %s\n", what.c_str());
  std::exit(1);
}

// Flags of a benchmark program: `--name=value`. Whatever is wrong with them ends the program.
class Flags {
 public:
  Flags(int argc, char** argv, const char* usage) {
    for (int i = 1; i < argc; ++i) {
      const std::string word = argv[i];
      const auto equals = word.find('=');
      if (word.rfind("--", 0) != 0 || equals == std::string::npos) {
        std::fputs(usage, word == "--help" ? stdout : stderr);
        std::exit(word == "--help" ? 0 : 2);
      }
      values_[word.substr(2, equals - 2)] = word.substr(equals + 1);
    }
  }
  std::string text(const std::string& name, const std::string& otherwise) {
    const auto node = values_.extract(name);
    return node.empty() ? otherwise : node.mapped();
  }
  double number(const std::string& name, double otherwise) {
    const std::string value = text(name, "");
    if (value.empty()) return otherwise;
    char* end = nullptr;
    const double parsed = std::strtod(value.c_str(), &end);
    if (*end != '\0' || parsed < 0 || parsed > 1e9) fail("--" + name + ": bad value " + value);
    return parsed;
  }
  void done() const {
    if (!values_.empty()) fail("unknown flag --" + values_.begin()->first);
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace notifications::bench
