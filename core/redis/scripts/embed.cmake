# Writes a source file that holds the scripts: cmake -DSCRIPTS=a;b -DOUTPUT=x.cc -P embed.cmake
# Each <name>.lua becomes `const Script k<Name>Script`. Redis knows a script by the SHA-1 of its text.
set(definitions "")
foreach(path IN LISTS SCRIPTS)
  get_filename_component(name ${path} NAME_WE)
  string(SUBSTRING ${name} 0 1 first)
  string(SUBSTRING ${name} 1 -1 rest)
  string(TOUPPER ${first} first)
  file(READ ${path} text)
  string(SHA1 sha "${text}")
  string(APPEND definitions
    "const Script k${first}${rest}Script{\"${name}\", \"${sha}\", R\"lua(${text})lua\"};\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"core/redis/journal_scripts.h\"

namespace notifications::redis {

${definitions}
}  // namespace notifications::redis
")
