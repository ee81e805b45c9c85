#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace notifications::redis {

// EpochNames makes names for epochs of the journal: random, so that none is ever used twice. Each
// call of a script brings one, should an epoch begin just then; so they are cheap (no system call).
//
// Thread: one.
class EpochNames {
 public:
  EpochNames() : random_(seed()) {}

  // 10 characters, 60 random bits.
  std::string next() {
    static constexpr char kAlphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    std::string name(10, ' ');
    std::uint64_t bits = random_();
    for (char& c : name) {
      c = kAlphabet[bits & 63];
      bits >>= 6;
    }
    return name;
  }

 private:
  static std::mt19937_64 seed() {
    std::random_device device;
    std::seed_seq words{device(), device(), device(), device(), device(), device()};
    return std::mt19937_64(words);
  }

  std::mt19937_64 random_;
};

}  // namespace notifications::redis
