# cmake -DSOURCE=src/pprof/flamegraph -DOUTPUT=page.c -P embed_page.cmake
# SOURCE.html with SOURCE.css and the scripts in it, cut in two where its data goes, as C arrays; what it may begin
# with before there is any data ends at @start@. The page's policy names the style and the script by their hashes, so
# that nothing else in it can ever run.
file(READ ${SOURCE}.html page)
file(READ ${SOURCE}.css style)
foreach(part _model _canvas _panel _address "")
  file(READ ${SOURCE}${part}.js text)
  string(APPEND script "${text}")
endforeach()

# SHA-256 in base64, which CMake does not speak: six bits at a time, of 32 bytes and a zero, are 44 digits.
function(base64_hash text result)
  set(alphabet ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
  string(SHA256 hex "${text}")
  foreach(start RANGE 0 60 6)
    string(SUBSTRING "${hex}00" ${start} 6 digits)
    math(EXPR bits 0x${digits})
    foreach(shift 18 12 6 0)
      math(EXPR index "(${bits} >> ${shift}) & 63")
      string(SUBSTRING ${alphabet} ${index} 1 character)
      string(APPEND base64 ${character})
    endforeach()
  endforeach()
  string(SUBSTRING ${base64} 0 43 base64) # 256 bits
  set(${result} "${base64}=" PARENT_SCOPE)
endfunction()

function(as_array name text)
  string(HEX "${text}" hex)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(................................................................................)" "\\1\n"
         bytes "${bytes}")
  string(LENGTH "${text}" size)
  file(APPEND ${OUTPUT} "const unsigned char ${name}[] = {\n${bytes}\n};\nconst unsigned ${name}_size = ${size};\n")
endfunction()

base64_hash("${style}" style_hash)
base64_hash("${script}" script_hash)
set(policy "default-src 'none'; style-src 'sha256-${style_hash}'; script-src 'sha256-${script_hash}'; img-src data:; \
base-uri 'none'; form-action 'none'")
foreach(part policy style script)
  string(REPLACE "@${part}@" "${${part}}" page "${page}")
endforeach()
string(FIND "${page}" "@start@" start_size)
string(REPLACE "@start@" "" page "${page}")
string(FIND "${page}" "@data@" data_at)
if(data_at LESS 0 OR start_size LESS 0)
  message(FATAL_ERROR "${SOURCE}.html has no @data@, or no @start@")
endif()
math(EXPR behind_data "${data_at} + 6")
string(SUBSTRING "${page}" 0 ${data_at} before)
string(SUBSTRING "${page}" ${behind_data} -1 after)

get_filename_component(name ${SOURCE} NAME)
file(WRITE ${OUTPUT} "/* Made by embed_page.cmake. */\n#include \"pprof/${name}_page.h\"\n\n")
as_array(${name}_page_before "${before}")
as_array(${name}_page_after "${after}")
file(APPEND ${OUTPUT} "const struct bytes ${name}_page_start = {${name}_page_before, ${start_size}};\n")
file(APPEND ${OUTPUT} "const char ${name}_content_security_policy[] = \"${policy}\";\n")
