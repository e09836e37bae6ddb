/* eh_frame.c: walks the entries of .eh_frame and reads their numbers and addresses. */
#include "profiler/eh_frame.h"

#include "profiler/cfi.h"

/* Pointer encodings: a format, what the value is relative to, and a flag. */
enum {
    ENCODING_ABSOLUTE = 0x00,
    ENCODING_ULEB128 = 0x01,
    ENCODING_UDATA2 = 0x02,
    ENCODING_UDATA4 = 0x03,
    ENCODING_UDATA8 = 0x04,
    ENCODING_SLEB128 = 0x09,
    ENCODING_SDATA2 = 0x0a,
    ENCODING_SDATA4 = 0x0b,
    ENCODING_SDATA8 = 0x0c,
    ENCODING_FORMAT = 0x0f,
    ENCODING_PCREL = 0x10,
    ENCODING_DATAREL = 0x30,
    ENCODING_BASE = 0xf0, /* with the flag for an indirect pointer, which no code address has */
};

/* The return address's register number in the AMD64 ABI; a CIE of another architecture has another. */
#define REGISTER_RETURN_ADDRESS 16

struct bytes reader_bytes(struct reader *reader, uint64_t size)
{
    if (reader->failed || size > (size_t)(reader->end - reader->at)) {
        reader->failed = true;
        return bytes_of(reader->at, 0);
    }
    reader->at += size;
    return bytes_of(reader->at - size, size);
}

uint64_t reader_fixed(struct reader *reader, size_t size)
{
    uint64_t value = 0;
    struct bytes bytes = reader_bytes(reader, size);
    if (bytes.size)
        memcpy(&value, bytes.data, size); /* x86-64 is little-endian */
    return value;
}

/* `*shift` becomes the number of bits read. */
static uint64_t read_leb128(struct reader *reader, unsigned *shift, uint8_t *last)
{
    uint64_t value = 0;
    *shift = 0;
    do {
        *last = (uint8_t)reader_fixed(reader, 1);
        if (*shift < 64)
            value |= (uint64_t)(*last & 0x7f) << *shift;
        *shift += 7;
    } while (*last & 0x80);
    return value;
}

uint64_t reader_unsigned(struct reader *reader)
{
    unsigned shift;
    uint8_t last;
    return read_leb128(reader, &shift, &last);
}

int64_t reader_signed(struct reader *reader)
{
    unsigned shift;
    uint8_t last;
    uint64_t value = read_leb128(reader, &shift, &last);
    if ((last & 0x40) && shift < 64)
        value |= UINT64_MAX << shift;
    return (int64_t)value;
}

/* The value in this format, before what it is relative to is added. */
static uint64_t read_format(struct reader *reader, uint8_t encoding)
{
    switch (encoding & ENCODING_FORMAT) {
    case ENCODING_ULEB128: return reader_unsigned(reader);
    case ENCODING_SLEB128: return (uint64_t)reader_signed(reader);
    case ENCODING_UDATA2: return reader_fixed(reader, 2);
    case ENCODING_UDATA4: return reader_fixed(reader, 4);
    case ENCODING_SDATA2: return (uint64_t)(int16_t)reader_fixed(reader, 2);
    case ENCODING_SDATA4: return (uint64_t)(int32_t)reader_fixed(reader, 4);
    case ENCODING_ABSOLUTE:
    case ENCODING_UDATA8:
    case ENCODING_SDATA8: return reader_fixed(reader, 8);
    default: reader->failed = true; return 0;
    }
}

uint64_t reader_address(struct reader *reader, uint8_t encoding, const struct cfi_source *source)
{
    uint64_t here = source->address + (uint64_t)(reader->at - source->eh_frame.data);
    uint64_t value = read_format(reader, encoding);
    switch (encoding & ENCODING_BASE) {
    case ENCODING_ABSOLUTE: return value;
    case ENCODING_PCREL: return value + here;
    case ENCODING_DATAREL: return value + source->header_address;
    default: reader->failed = true; return 0;
    }
}

bool entry_read(struct bytes section, size_t offset, struct entry *entry)
{
    if (offset >= section.size)
        return false;
    struct reader reader = {section.data + offset, section.data + section.size, false};
    /* 0xffffffff would say that 64 bits of length follow; as a length it never fits, and nothing writes it. */
    uint64_t length = reader_fixed(&reader, 4);
    entry->id_offset = offset + 4;
    struct bytes content = reader_bytes(&reader, length);
    entry->next_offset = entry->id_offset + content.size;
    entry->body = (struct reader){content.data, content.data + content.size, false};
    entry->id = (uint32_t)reader_fixed(&entry->body, 4);
    return !reader.failed && !entry->body.failed;
}

static bool cie_read_augmentation(struct cie *cie, const char *letters, struct reader *body)
{
    if (letters[0] == '\0')
        return true;
    if (letters[0] != 'z')
        return false;
    cie->has_augmentation_data = true;
    struct bytes data = reader_bytes(body, reader_unsigned(body));
    struct reader reader = {data.data, data.data + data.size, false};
    for (const char *letter = letters + 1; *letter; letter++) {
        switch (*letter) {
        case 'R': cie->encoding = (uint8_t)reader_fixed(&reader, 1); break;
        case 'P': read_format(&reader, (uint8_t)reader_fixed(&reader, 1)); break;
        case 'L': reader_fixed(&reader, 1); break;
        case 'S': cie->is_signal = true; break;
        default: return false;
        }
    }
    return !reader.failed;
}

static bool cie_read(struct cie *cie, const struct cfi_source *source, size_t offset)
{
    struct entry entry;
    if (!entry_read(source->eh_frame, offset, &entry) || entry.id != 0)
        return false;
    struct reader *body = &entry.body;
    uint64_t version = reader_fixed(body, 1);
    const char *letters = (const char *)body->at;
    while (reader_fixed(body, 1) != 0) {}
    *cie = (struct cie){.offset = SIZE_MAX, .code_factor = reader_unsigned(body)};
    cie->data_factor = reader_signed(body);
    uint64_t return_address = version == 1 ? reader_fixed(body, 1) : reader_unsigned(body);
    if (body->failed || (version != 1 && version != 3) || return_address != REGISTER_RETURN_ADDRESS ||
        cie->code_factor == 0 || cie->code_factor > UINT16_MAX || !cie_read_augmentation(cie, letters, body))
        return false;
    cie->instructions = *body;
    cie->offset = offset;
    return !body->failed;
}

bool fde_read(struct fde *fde, struct cie *cie, const struct cfi_source *source, const struct entry *entry)
{
    if (entry->id == 0 || entry->id > entry->id_offset)
        return false;
    size_t cie_offset = entry->id_offset - entry->id;
    if (cie->offset != cie_offset && !cie_read(cie, source, cie_offset))
        return false;
    struct reader body = entry->body;
    fde->start = reader_address(&body, cie->encoding, source);
    uint64_t size = read_format(&body, cie->encoding);
    if (cie->has_augmentation_data)
        reader_bytes(&body, reader_unsigned(&body));
    fde->instructions = body;
    bool overflows = __builtin_add_overflow(fde->start, size, &fde->end);
    return !body.failed && !overflows && size > 0;
}
