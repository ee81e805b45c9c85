#include "edge/demo_page.h"

#include <array>
#include <string>

// The files stand in the program as they are; CMake says where they come from.
// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): an assembler directive needs a literal.
#define EMBED(symbol, path)               \
  asm(".pushsection .rodata\n"            \
      ".global " #symbol                  \
      "_begin\n"                          \
      ".global " #symbol "_end\n" #symbol \
      "_begin:\n"                         \
      ".incbin \"" path "\"\n" #symbol    \
      "_end:\n"                           \
      ".byte 0\n"                         \
      ".popsection\n");                   \
  extern "C" const char symbol##_begin[]; \
  extern "C" const char symbol##_end[]

EMBED(demo_index_html, DEMO_DIR "/index.html");
EMBED(demo_demo_js, DEMO_DIR "/demo.js");
EMBED(demo_demo_css, DEMO_DIR "/demo.css");
EMBED(demo_socket_io_js, SOCKET_IO_CLIENT_JS);

namespace notifications::edge {
namespace {

struct File {
  std::string_view path;
  std::string_view content_type;
  const char* begin;
  const char* end;
};

const std::array<File, 4> kFiles = {{
    {"/demo/", "text/html; charset=utf-8", demo_index_html_begin, demo_index_html_end},
    {"/demo/demo.js", "text/javascript; charset=utf-8", demo_demo_js_begin, demo_demo_js_end},
    {"/demo/demo.css", "text/css; charset=utf-8", demo_demo_css_begin, demo_demo_css_end},
    {"/demo/socket.io.min.js", "text/javascript; charset=utf-8", demo_socket_io_js_begin,
     demo_socket_io_js_end},
}};

}  // namespace

std::optional<websocket::HttpAnswer> demo_page(std::string_view path) {
  if (path == "/demo") {
    websocket::HttpAnswer answer{308, "Permanent Redirect", {}, ""};
    answer.headers.emplace_back("Location", "/demo/");
    return answer;
  }
  for (const File& file : kFiles) {
    if (file.path != path) continue;
    websocket::HttpAnswer answer{200, "OK", {}, std::string(file.begin, file.end)};
    answer.headers.emplace_back("Content-Type", std::string(file.content_type));
    answer.headers.emplace_back("Cache-Control", "no-cache");
    answer.headers.emplace_back("X-Content-Type-Options", "nosniff");
    answer.headers.emplace_back(
        "Content-Security-Policy",
        "default-src 'self'; img-src data:; style-src 'self' 'unsafe-inline'; connect-src 'self' "
        "ws: wss:");
    return answer;
  }
  return std::nullopt;
}

}  // namespace notifications::edge
