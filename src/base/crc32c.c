/* crc32c.c: CRC-32C by ISA-L, which picks the machine's fastest instructions. */
#include "base/crc32c.h"

#include <isa-l/crc.h>

uint32_t crc32c_extend(uint32_t crc, struct bytes bytes)
{
    crc = ~crc;
    while (bytes.size > 0) { /* ISA-L counts in int and does not write through its pointer */
        size_t piece = bytes.size < (1u << 30) ? bytes.size : (1u << 30);
        crc = crc32_iscsi((unsigned char *)(uintptr_t)bytes.data, (int)piece, crc);
        bytes = bytes_of(bytes.data + piece, bytes.size - piece);
    }
    return ~crc;
}

uint32_t crc32c(struct bytes bytes)
{
    return crc32c_extend(0, bytes);
}
