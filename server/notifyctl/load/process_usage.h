#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>

namespace notifications::load {

// What a process has used so far.
struct ProcessUsage {
  double cpu_seconds = 0;          // user and system, all threads
  std::uint64_t resident_kib = 0;  // RSS
};

// CPU time of the threads that are there, to the nanosecond; 0 where the kernel keeps no such
// account.
inline double threads_cpu_seconds(const std::string& process_folder) {
  double nanoseconds = 0;
  std::error_code error;
  for (const auto& thread : std::filesystem::directory_iterator(process_folder + "/task", error)) {
    double of_thread = 0;
    std::ifstream(thread.path() / "schedstat") >> of_thread;
    nanoseconds += of_thread;
  }
  return nanoseconds / 1e9;
}

// Nothing if there is no such process here. Thread: any.
inline std::optional<ProcessUsage> process_usage(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream stat(folder + "/stat");
  std::string line;
  if (!std::getline(stat, line)) return std::nullopt;
  // The name, in brackets, may hold anything: fields are counted from behind it.
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  ProcessUsage usage;
  // The process's own account has steps of 10 ms.
  usage.cpu_seconds = threads_cpu_seconds(folder);
  if (usage.cpu_seconds == 0) {
    usage.cpu_seconds = (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  std::ifstream status(folder + "/status");
  while (std::getline(status, line)) {
    if (line.rfind("VmRSS:", 0) == 0) usage.resident_kib = std::stoull(line.substr(6));
  }
  return usage;
}

}  // namespace notifications::load
