/* object.c: symbol tables of one ELF file, sorted for binary search. */
#include "profiler/object.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/mem.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct symbol {
    uint64_t address, size; /* size 0: not told, up to the next symbol */
    const char *name;
    uint8_t binding;
};

/* One file, or image, while it is open. */
struct image {
    int fd;
    Elf *elf;
};

struct object {
    struct image file, debug; /* debug: the separate debug file */
    struct dwarf_index *dwarf;
    struct symbol *symbols; /* sorted by address, one an address */
    size_t symbol_count;
    uint64_t *function_starts; /* from .eh_frame_hdr, sorted */
    size_t function_start_count;
};

static void image_close(struct image *image)
{
    elf_end(image->elf);
    if (image->fd >= 0)
        close(image->fd);
    *image = (struct image){.fd = -1};
}

static bool has_build_id(Elf *elf, const char *build_id)
{
    const void *id;
    ssize_t size = dwelf_elf_gnu_build_id(elf, &id);
    size_t length = strlen(build_id);
    if (size <= 0)
        return length == 0;
    if ((size_t)size * 2 != length)
        return false;
    for (size_t i = 0; i < (size_t)size; i++) {
        char digits[3];
        snprintf(digits, sizeof digits, "%02x", ((const uint8_t *)id)[i]);
        if (memcmp(digits, build_id + 2 * i, 2) != 0)
            return false;
    }
    return true;
}

/* A file that was replaced since it was mapped has another build id: its names would be wrong. */
static void image_open(struct image *image, const char *path, const char *build_id)
{
    image->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (image->fd < 0)
        return;
    image->elf = elf_begin(image->fd, ELF_C_READ_MMAP, NULL);
    if (!image->elf || elf_kind(image->elf) != ELF_K_ELF || !has_build_id(image->elf, build_id))
        image_close(image);
}

static void debug_image_open(struct image *image, const char *build_id)
{
    char path[PATH_MAX];
    if (strlen(build_id) < 4)
        return;
    snprintf(path, sizeof path, "/usr/lib/debug/.build-id/%.2s/%s.debug", build_id, build_id + 2);
    image_open(image, path, build_id);
}

static unsigned leading_underscores(const char *name)
{
    return (unsigned)strspn(name, "_");
}

/* "memcpy@@GLIBC_2.14", as debug files have it. */
static bool has_version(const char *name)
{
    return strchr(name, '@') != NULL;
}

/* Which of two names for one address people know: exported, plain, without underscores, short. */
static int compare_symbols(const void *a, const void *b)
{
    const struct symbol *left = a, *right = b;
    if (left->address != right->address)
        return left->address < right->address ? -1 : 1;
    if ((left->size == 0) != (right->size == 0))
        return left->size == 0 ? 1 : -1;
    if ((left->binding == STB_LOCAL) != (right->binding == STB_LOCAL))
        return left->binding == STB_LOCAL ? 1 : -1;
    if (has_version(left->name) != has_version(right->name))
        return has_version(left->name) ? 1 : -1;
    if (leading_underscores(left->name) != leading_underscores(right->name))
        return leading_underscores(left->name) < leading_underscores(right->name) ? -1 : 1;
    size_t left_length = strlen(left->name), right_length = strlen(right->name);
    if (left_length != right_length)
        return left_length < right_length ? -1 : 1;
    return strcmp(left->name, right->name);
}

static bool is_function(const GElf_Sym *symbol, const char *name)
{
    int type = GELF_ST_TYPE(symbol->st_info);
    /* Assembly often leaves its entry points without a type; mapping symbols ("$x") and section starts are no names. */
    return symbol->st_shndx != SHN_UNDEF && symbol->st_shndx != SHN_ABS && symbol->st_value != 0 && name &&
           name[0] != '\0' && name[0] != '$' && name[0] != '.' &&
           (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE);
}

/* Append the functions of the first section of this type (SHT_SYMTAB or SHT_DYNSYM); false if there is none. */
static bool read_symbol_table(struct object *object, Elf *elf, GElf_Word type)
{
    Elf_Scn *section = NULL;
    GElf_Shdr header;
    while ((section = elf_nextscn(elf, section)))
        if (gelf_getshdr(section, &header) && header.sh_type == type)
            break;
    Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
    if (!data || header.sh_entsize == 0)
        return false;
    size_t count = data->d_size / header.sh_entsize;
    object->symbols = mem_alloc_array(count, sizeof *object->symbols);
    for (size_t i = 0; i < count && i < INT_MAX; i++) {
        GElf_Sym symbol;
        if (!gelf_getsym(data, (int)i, &symbol))
            break;
        const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);
        if (is_function(&symbol, name))
            object->symbols[object->symbol_count++] = (struct symbol){
                symbol.st_value, symbol.st_size, name, GELF_ST_BIND(symbol.st_info)};
    }
    return true;
}

static void read_symbols(struct object *object)
{
    if (!(object->debug.elf && read_symbol_table(object, object->debug.elf, SHT_SYMTAB)) &&
        !read_symbol_table(object, object->file.elf, SHT_SYMTAB) &&
        !read_symbol_table(object, object->file.elf, SHT_DYNSYM))
        return;
    qsort(object->symbols, object->symbol_count, sizeof *object->symbols, compare_symbols);
    size_t kept = 0;
    for (size_t i = 0; i < object->symbol_count; i++)
        if (kept == 0 || object->symbols[i].address != object->symbols[kept - 1].address)
            object->symbols[kept++] = object->symbols[i];
    object->symbol_count = kept;
}

/* .eh_frame_hdr (Linux Standard Base, "Exception Frames"): version 1, three encodings, then, as all linkers write it,
 * a 4-byte pointer, a 4-byte count and a table of pairs of 4-byte offsets from the section's start. */
#define EH_HEADER_BYTES 12
#define EH_ENCODING_COUNT 0x03 /* udata4 */
#define EH_ENCODING_TABLE 0x3b /* sdata4, relative to the section */

static void read_function_starts(struct object *object, Elf *elf)
{
    size_t header_count;
    GElf_Phdr header;
    Elf_Data *data = NULL;
    if (elf_getphdrnum(elf, &header_count) != 0)
        return;
    for (size_t i = 0; i < header_count && !data; i++)
        if (gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_GNU_EH_FRAME)
            data = elf_getdata_rawchunk(elf, (int64_t)header.p_offset, header.p_filesz, ELF_T_BYTE);
    const uint8_t *bytes = data ? data->d_buf : NULL;
    if (!bytes || data->d_size < EH_HEADER_BYTES || bytes[0] != 1 || bytes[2] != EH_ENCODING_COUNT ||
        bytes[3] != EH_ENCODING_TABLE)
        return;
    uint32_t count;
    memcpy(&count, bytes + 8, sizeof count);
    if (count > (data->d_size - EH_HEADER_BYTES) / 8)
        return;
    object->function_starts = mem_alloc_array(count, sizeof *object->function_starts);
    object->function_start_count = count;
    for (uint32_t i = 0; i < count; i++) {
        int32_t offset;
        memcpy(&offset, bytes + EH_HEADER_BYTES + (size_t)i * 8, sizeof offset);
        object->function_starts[i] = header.p_vaddr + (uint64_t)(int64_t)offset;
    }
}

static void read_tables(struct object *object)
{
    object->dwarf = dwarf_index_create(object->file.elf);
    if (!object->dwarf && object->debug.elf)
        object->dwarf = dwarf_index_create(object->debug.elf);
    read_symbols(object);
    read_function_starts(object, object->file.elf);
}

static struct object *object_create(void)
{
    elf_version(EV_CURRENT);
    struct object *object = MEM_NEW(struct object);
    object->file.fd = object->debug.fd = -1;
    return object;
}

struct object *object_open(const char *path, const char *build_id)
{
    struct object *object = object_create();
    image_open(&object->file, path, build_id);
    if (object->file.elf) {
        debug_image_open(&object->debug, build_id);
        read_tables(object);
    }
    return object;
}

struct object *object_open_memory(const void *image, size_t size)
{
    struct object *object = object_create();
    object->file.elf = elf_memory((char *)image, size);
    if (object->file.elf)
        read_tables(object);
    return object;
}

void object_close(struct object *object)
{
    if (!object)
        return;
    dwarf_index_destroy(object->dwarf);
    mem_free(object->symbols);
    mem_free(object->function_starts);
    image_close(&object->debug);
    image_close(&object->file);
    mem_free(object);
}

bool object_has_lines(const struct object *object)
{
    return object->dwarf != NULL;
}

uint64_t object_function_start(const struct object *object, uint64_t address)
{
    size_t low = 0, high = object->function_start_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (object->function_starts[middle] <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? object->function_starts[low - 1] : address;
}

static const struct symbol *find_symbol(const struct object *object, uint64_t address)
{
    size_t low = 0, high = object->symbol_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (object->symbols[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    const struct symbol *symbol = &object->symbols[low - 1];
    if (symbol->size > 0)
        return address - symbol->address < symbol->size ? symbol : NULL;
    /* No size: up to the next function that the unwind tables know. A nameless function must not borrow a name. */
    uint64_t start = object_function_start(object, address);
    return start == address || start <= symbol->address ? symbol : NULL;
}

uint64_t object_entry(const struct object *object, uint64_t address)
{
    const struct symbol *symbol = find_symbol(object, address);
    return symbol ? symbol->address : object_function_start(object, address);
}

/* An exported C name is what people call the function; a library's source may say __libc_malloc where they say malloc.
 * A local symbol's name carries the compiler's marks (.constprop.0), and C++ mangles its own. */
static bool is_better_name(const struct symbol *symbol)
{
    return symbol->binding != STB_LOCAL && !has_version(symbol->name) && strncmp(symbol->name, "_Z", 2) != 0;
}

unsigned object_find(struct object *object, uint64_t address, struct dwarf_frame *frames, unsigned capacity)
{
    if (capacity == 0)
        return 0;
    unsigned count = object->dwarf ? dwarf_index_find(object->dwarf, address, frames, capacity) : 0;
    const struct symbol *symbol = find_symbol(object, address);
    if (count == 0) {
        frames[0] = (struct dwarf_frame){.function = symbol ? symbol->name : NULL, .file = ""};
        return symbol ? 1 : 0;
    }
    struct dwarf_frame *outermost = &frames[count - 1];
    if (symbol && count < capacity && (!outermost->function || is_better_name(symbol)))
        outermost->function = symbol->name;
    for (unsigned i = 0; i < count; i++)
        if (!frames[i].function)
            frames[i].function = "[unknown]";
    return count;
}
