/* crc32c.c: CRC-32C by ISA-L, which picks the machine's fastest instructions. */
#include "base/crc32c.h"

#include "base/probe.h"

#include <isa-l/crc.h>

uint32_t crc32c_extend(uint32_t crc, struct bytes bytes)
{
    /* ISA-L's assembly has no unwind tables: a CPU sample in it goes on from here. */
    probe_execution.switch_frame = (uintptr_t)__builtin_frame_address(0);
    crc = ~crc;
    while (bytes.size > 0) { /* ISA-L counts in int and does not write through its pointer */
        size_t piece = bytes.size < (1u << 30) ? bytes.size : (1u << 30);
        crc = crc32_iscsi((unsigned char *)(uintptr_t)bytes.data, (int)piece, crc);
        bytes = bytes_of(bytes.data + piece, bytes.size - piece);
    }
    probe_execution.switch_frame = 0;
    return ~crc;
}

uint32_t crc32c(struct bytes bytes)
{
    return crc32c_extend(0, bytes);
}
