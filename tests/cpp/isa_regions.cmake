# The instruction sets stay in their files: run by CTest with -DNM -DOBJDUMP -DARCHIVE, the library
# of CPU kernels. On an older processor anything else would be an illegal instruction.
#   - the files isa_* give the linker data only: no function of theirs, such as a template of the
#     standard library, can be the copy that other files are linked with;
#   - the others hold no instruction of a raised set;
#   - each set's file holds multiply-adds on its own vectors.
execute_process(COMMAND ${NM} -A -C --defined-only ${ARCHIVE} OUTPUT_VARIABLE symbols
                COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]*isa_[a-z0-9]+\\.cpp\\.o:[0-9a-f]+ [TWViu] [^\n]*" exported "${symbols}")
if(exported)
  list(JOIN exported "\n  " exported)
  message(SEND_ERROR "functions that leave the files of the instruction sets:\n  ${exported}")
endif()

execute_process(COMMAND ${OBJDUMP} -d --no-show-raw-insn ${ARCHIVE} OUTPUT_VARIABLE code
                COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE ";" "," code "${code}")
string(REGEX REPLACE "\n([^\n:]+\\.o): +file format" ";\\1:" objects "${code}")
set(count 0)
foreach(object IN LISTS objects)
  string(REGEX MATCH "^[^\n:]+\\.o:" name "${object}")
  if(name MATCHES "^isa_avx2")
    set(wanted "vfmadd[^\n]*%ymm")
    set(unwanted "%zmm")
  elseif(name MATCHES "^isa_avx512")
    set(wanted "vfmadd[^\n]*%zmm")
    set(unwanted "^$")
  elseif(name MATCHES "^isa_neon")
    set(wanted "fmla[^\n]*\\.s\\[")
    set(unwanted "^$")
  else()
    set(wanted "")
    set(unwanted "%[yz]mm|\tvfmadd")
  endif()
  if(NOT name)
    continue()
  endif()
  math(EXPR count "${count} + 1")
  # The file of another architecture is empty.
  if(object MATCHES "\t" AND NOT object MATCHES "${wanted}")
    message(SEND_ERROR "${name} got no instruction like ${wanted}")
  endif()
  if(object MATCHES "[^\n]*(${unwanted})[^\n]*")
    message(SEND_ERROR "${name} got an instruction beyond its set: ${CMAKE_MATCH_0}")
  endif()
endforeach()
if(count LESS 5)
  message(SEND_ERROR "${ARCHIVE}: got ${count} files in the listing, wanted those of the library")
endif()
