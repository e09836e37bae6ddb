# The floors of the house (ARCHITECTURE.md): a folder may use those named here and no others. A call upward fails to
# link; tests/test_floors.py holds the includes against this same table.
function(floor folder)
  cmake_parse_arguments(arg "" "" "USES;LIBRARIES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*.c)
  list(FILTER sources EXCLUDE REGEX "/interpose/")
  add_library(${folder} STATIC ${sources})
  target_include_directories(${folder} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(${folder} PUBLIC ${arg_USES} PRIVATE ${arg_LIBRARIES} Threads::Threads m)
endfunction()

floor(base     LIBRARIES PkgConfig::libisal)
floor(metrics  USES base)
floor(pprof    USES base LIBRARIES PkgConfig::zlib)
floor(trace    USES base)
floor(kafka    USES base)
floor(runtime  USES base LIBRARIES PkgConfig::libuv -l:libboost_context.a)
floor(profiler USES trace pprof base LIBRARIES PkgConfig::libdw PkgConfig::libelf)
floor(storage  USES runtime kafka base)
floor(http     USES profiler trace pprof runtime metrics base LIBRARIES http_parser PkgConfig::jansson)
floor(broker   USES storage kafka runtime metrics base)
floor(config   USES broker http storage profiler base LIBRARIES PkgConfig::yaml_0_1)

# What stands in front of libc's functions: in the programs that ask for it, and in all their libraries.
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/profiler/interpose/*.c)
add_library(profiler_interpose OBJECT ${sources})
target_include_directories(profiler_interpose PRIVATE ${CMAKE_SOURCE_DIR}/src)
# The way through them is a jump or two: no frame, no stub. And what they are made of is not what they stand for.
target_compile_options(profiler_interpose PRIVATE
  -fno-builtin -foptimize-sibling-calls -momit-leaf-frame-pointer -fno-plt)
if(TAKHIN_SANITIZE)
  # The sanitizers' allocator stays where it is, so these stand in front of our own calls only.
  target_compile_definitions(profiler_interpose PRIVATE TAKHIN_WRAP_MALLOC)
  foreach(name malloc calloc realloc reallocarray free posix_memalign aligned_alloc memalign valloc pvalloc
          malloc_usable_size)
    list(APPEND wrapped -Wl,--wrap=${name})
  endforeach()
endif()
function(interpose target)
  if(NOT TAKHIN_FUZZ)
    target_link_libraries(${target} PRIVATE $<TARGET_OBJECTS:profiler_interpose>)
    target_link_options(${target} PRIVATE ${wrapped})
  endif()
endfunction()

# Profiles are read and written by hand, in a quarter of the memory; what is generated from our own description of the
# format is what tests and benches hold that against.
find_program(PROTOC_C protoc-c REQUIRED)
set(PPROF_GENERATED ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${PPROF_GENERATED})
add_custom_command(
  OUTPUT ${PPROF_GENERATED}/pprof/profile.pb-c.c ${PPROF_GENERATED}/pprof/profile.pb-c.h
  COMMAND ${PROTOC_C} --proto_path=${CMAKE_SOURCE_DIR}/src --c_out=${PPROF_GENERATED} pprof/profile.proto
  DEPENDS ${CMAKE_SOURCE_DIR}/src/pprof/profile.proto)
add_library(profile_protobuf STATIC EXCLUDE_FROM_ALL ${PPROF_GENERATED}/pprof/profile.pb-c.c)
target_include_directories(profile_protobuf PUBLIC ${PPROF_GENERATED})
target_link_libraries(profile_protobuf PUBLIC PkgConfig::libprotobuf_c)

# The page of the flame graph becomes part of the library.
set(page ${CMAKE_SOURCE_DIR}/src/pprof/flamegraph)
add_custom_command(
  OUTPUT ${PPROF_GENERATED}/pprof/flamegraph_page.c
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${page} -DOUTPUT=${PPROF_GENERATED}/pprof/flamegraph_page.c
          -P ${CMAKE_SOURCE_DIR}/cmake/embed_page.cmake
  DEPENDS ${CMAKE_SOURCE_DIR}/cmake/embed_page.cmake ${page}.html ${page}.css ${page}_model.js ${page}_canvas.js
          ${page}_panel.js ${page}_address.js ${page}.js)
target_sources(pprof PRIVATE ${PPROF_GENERATED}/pprof/flamegraph_page.c)
