/* crc32c.h: the checksum of Kafka's record batches (Castagnoli polynomial, RFC 3720 appendix B.4). [any] */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include "base/bytes.h"

#include <stdint.h>

/* CRC-32C of the bytes; "123456789" gives 0xE3069283. */
uint32_t crc32c(struct bytes bytes);
/* The same over several pieces: start with 0, pass the result of the piece before. */
uint32_t crc32c_extend(uint32_t crc, struct bytes bytes);

#endif
