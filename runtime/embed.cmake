# cmake -DOUT=embedded.c -DROOT=dir -DARGPARSE=file -P embed.cmake
# Makes the list of what lies in ROOT/stdlib and ROOT/scripts, and of the system's
# argparse: a C file in which the assembler puts their bytes, unchanged.
file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/stdlib/* ${ROOT}/scripts/*)
list(FILTER files INCLUDE REGEX "\\.(lua|tsv|json|html|css|js)$")
list(APPEND files stdlib/argparse.lua)
list(SORT files)
set(texts "")
set(rows "")
foreach(file IN LISTS files)
  set(path ${ROOT}/${file})
  if(file STREQUAL stdlib/argparse.lua)
    set(path ${ARGPARSE})
  endif()
  file(SIZE ${path} size)
  string(MAKE_C_IDENTIFIER "embedded_${file}" id)
  string(APPEND texts "TEXT(${id}, \"${path}\")\n")
  string(APPEND rows "  {\"${file}\", ${id}, ${size}},\n")
endforeach()
file(WRITE ${OUT} "/* generated; do not edit */
#include \"embed.h\"

#define TEXT(id, path) \\
  extern const char id[] __attribute__((visibility(\"hidden\"))); \\
  __asm__(\".section .rodata\\n\" #id \": .incbin \\\"\" path \"\\\"\\n.byte 0\\n.previous\");

${texts}
const struct embedded embedded[] = {\n${rows}  {0, 0, 0}};\n")
