# The floors of the house (ARCHITECTURE.md): a folder may use those named here and no others. A call upward fails to
# link; tests/test_floors.py holds the includes against this same table.
function(floor folder)
  cmake_parse_arguments(arg "" "" "USES;LIBRARIES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*.c)
  add_library(${folder} STATIC ${sources})
  target_include_directories(${folder} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(${folder} PUBLIC ${arg_USES} PRIVATE ${arg_LIBRARIES} Threads::Threads m)
endfunction()

floor(base     LIBRARIES PkgConfig::libisal)
floor(metrics  USES base)
floor(pprof    USES base LIBRARIES PkgConfig::libprotobuf_c PkgConfig::zlib)
floor(kafka    USES base)
floor(runtime  USES base LIBRARIES PkgConfig::libuv -l:libboost_context.a)
floor(profiler USES pprof base LIBRARIES PkgConfig::libdw PkgConfig::libelf)
floor(storage  USES runtime kafka base)
floor(http     USES profiler pprof runtime metrics base LIBRARIES http_parser PkgConfig::jansson)
floor(broker   USES storage kafka runtime metrics base)
floor(config   USES broker http storage profiler base LIBRARIES PkgConfig::yaml_0_1)

# The parser of profiles is generated from our own description of the format. The encoder is written by hand.
find_program(PROTOC_C protoc-c REQUIRED)
set(PPROF_GENERATED ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${PPROF_GENERATED})
add_custom_command(
  OUTPUT ${PPROF_GENERATED}/pprof/profile.pb-c.c ${PPROF_GENERATED}/pprof/profile.pb-c.h
  COMMAND ${PROTOC_C} --proto_path=${CMAKE_SOURCE_DIR}/src --c_out=${PPROF_GENERATED} pprof/profile.proto
  DEPENDS ${CMAKE_SOURCE_DIR}/src/pprof/profile.proto)
target_sources(pprof PRIVATE ${PPROF_GENERATED}/pprof/profile.pb-c.c)
target_include_directories(pprof PRIVATE ${PPROF_GENERATED})
