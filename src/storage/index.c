/* index.c: the entries of .index and .timeindex files and the search in them.
 *
 * The search reads the file instead of mapping it: it is a handful of reads from the page cache, an idle broker maps
 * nothing, and a disk error is a code to return instead of a SIGBUS. */
#include "storage/index.h"

#include "base/error.h"
#include "storage/big_endian.h"
#include "storage/files.h"

#include <string.h>

/* Once so few entries are left, they are read in one go. */
#define BLOCK_ENTRIES 64u
#define ENTRY_BYTES_MAX TIME_INDEX_ENTRY_BYTES

void index_entry_encode(const struct index_entry *entry, uint8_t bytes[INDEX_ENTRY_BYTES])
{
    big_endian_write_32(bytes, entry->relative_offset);
    big_endian_write_32(bytes + 4, entry->position);
}

void time_index_entry_encode(const struct time_index_entry *entry, uint8_t bytes[TIME_INDEX_ENTRY_BYTES])
{
    big_endian_write_64(bytes, entry->timestamp);
    big_endian_write_32(bytes + 8, entry->relative_offset);
}

/* What an entry is compared by. */
struct key {
    uint32_t entry_bytes;
    int64_t (*read)(const uint8_t *entry);
};

static int64_t read_first_32(const uint8_t *entry)
{
    return big_endian_read_32(entry);
}

static int64_t read_second_32(const uint8_t *entry)
{
    return big_endian_read_32(entry + 4);
}

static int64_t read_first_64(const uint8_t *entry)
{
    return big_endian_read_64(entry);
}

static const struct key offset_key = {INDEX_ENTRY_BYTES, read_first_32};
static const struct key position_key = {INDEX_ENTRY_BYTES, read_second_32};
static const struct key time_key = {TIME_INDEX_ENTRY_BYTES, read_first_64};

static int read_entries(int fd, const struct key *key, uint32_t from, uint32_t count, uint8_t *bytes)
{
    size_t size = (size_t)count * key->entry_bytes, got;
    int rc = file_read_at(fd, bytes, size, (off_t)from * key->entry_bytes, &got);
    return rc != 0 ? rc : got < size ? ERR_CORRUPT : 0;
}

/* The last entry whose key is <= wanted. */
static int find_floor(int fd, uint32_t count, const struct key *key, int64_t wanted, uint8_t *found)
{
    uint8_t block[BLOCK_ENTRIES * ENTRY_BYTES_MAX];
    memset(found, 0, key->entry_bytes);
    /* Entries before `low` are <= wanted, those from `high` on are greater. */
    uint32_t low = 0, high = count;
    while (high - low > BLOCK_ENTRIES) {
        uint32_t middle = low + (high - low) / 2;
        int rc = read_entries(fd, key, middle, 1, block);
        if (rc != 0)
            return rc;
        if (key->read(block) <= wanted)
            low = middle;
        else
            high = middle;
    }
    int rc = read_entries(fd, key, low, high - low, block);
    if (rc != 0)
        return rc;
    const uint8_t *entry = block;
    uint32_t i = 0;
    while (i < high - low && key->read(entry) <= wanted) {
        entry += key->entry_bytes;
        i++;
    }
    if (i == 0)
        return 0;
    memcpy(found, entry - key->entry_bytes, key->entry_bytes);
    return 1;
}

static int find_index_entry(int fd, uint32_t count, const struct key *key, int64_t wanted, struct index_entry *entry)
{
    uint8_t bytes[INDEX_ENTRY_BYTES];
    int rc = find_floor(fd, count, key, wanted, bytes);
    entry->relative_offset = big_endian_read_32(bytes);
    entry->position = big_endian_read_32(bytes + 4);
    return rc;
}

int index_find_offset(int fd, uint32_t count, int64_t offset, struct index_entry *entry)
{
    return find_index_entry(fd, count, &offset_key, offset, entry);
}

int index_find_position(int fd, uint32_t count, int64_t position, struct index_entry *entry)
{
    return find_index_entry(fd, count, &position_key, position, entry);
}

int time_index_find(int fd, uint32_t count, int64_t timestamp, struct time_index_entry *entry)
{
    uint8_t bytes[TIME_INDEX_ENTRY_BYTES];
    int rc = find_floor(fd, count, &time_key, timestamp, bytes);
    entry->timestamp = big_endian_read_64(bytes);
    entry->relative_offset = big_endian_read_32(bytes + 8);
    return rc;
}
