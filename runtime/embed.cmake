# cmake -DOUT=embedded.c -DROOT=dir -DARGPARSE=file -DPRECOMPILE=program -P embed.cmake
# Makes the list of what lies in ROOT/stdlib and ROOT/scripts, and of the system's
# argparse: a C file in which the assembler puts their bytes, unchanged. Lua files are
# there a second time, precompiled.
file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/stdlib/* ${ROOT}/scripts/*)
list(FILTER files INCLUDE REGEX "\\.(lua|tsv|json|html|css|js)$")
list(APPEND files stdlib/argparse.lua)
list(SORT files)
set(chunks ${OUT}.chunks)
file(MAKE_DIRECTORY ${chunks})
set(modules "")
foreach(file IN LISTS files)
  string(MAKE_C_IDENTIFIER "embedded_${file}" id)
  set(path_${id} ${ROOT}/${file})
  if(file STREQUAL stdlib/argparse.lua)
    set(path_${id} ${ARGPARSE})
  endif()
  if(file MATCHES "\\.lua$")
    list(APPEND modules "@${file}" ${path_${id}} ${chunks}/${id})
  endif()
endforeach()
execute_process(COMMAND ${PRECOMPILE} ${modules} COMMAND_ERROR_IS_FATAL ANY)

set(texts "")
set(compiled "") # apart from the texts, which most runs never read: so fewer pages of the program are in memory
set(rows "")
foreach(file IN LISTS files)
  string(MAKE_C_IDENTIFIER "embedded_${file}" id)
  file(SIZE ${path_${id}} size)
  string(APPEND texts "BYTES(${id}, \"${path_${id}}\")\n")
  set(chunk "0, 0")
  if(file MATCHES "\\.lua$")
    file(SIZE ${chunks}/${id} chunk_size)
    string(APPEND compiled "BYTES(chunk_${id}, \"${chunks}/${id}\")\n")
    set(chunk "chunk_${id}, ${chunk_size}")
  endif()
  string(APPEND rows "  {\"${file}\", ${id}, ${size}, ${chunk}},\n")
endforeach()
file(WRITE ${OUT} "/* generated; do not edit */
#include \"embed.h\"

#define BYTES(id, path) \\
  extern const char id[] __attribute__((visibility(\"hidden\"))); \\
  __asm__(\".section .rodata\\n\" #id \": .incbin \\\"\" path \"\\\"\\n.byte 0\\n.previous\");

${texts}
${compiled}
const struct embedded embedded[] = {\n${rows}  {0, 0, 0, 0, 0}};
const size_t embedded_count = sizeof embedded / sizeof *embedded - 1;\n")
