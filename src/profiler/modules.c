/* modules.c: asks the loader for the objects that are mapped, and reads their program headers and notes. */
#include "profiler/modules.h"

#include "base/mem.h"

#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define PAGE_BYTES ((uintptr_t)sysconf(_SC_PAGESIZE))

/* Pointer encodings of .eh_frame_hdr (Linux Standard Base, DWARF extensions): the one that all linkers write. */
#define ENCODING_PCREL_SDATA4 0x1b

struct visit {
    module_visit_fn visit;
    void *context;
    uint64_t generation;
};

static uint64_t generation_of(const struct dl_phdr_info *info)
{
    return (uint64_t)info->dlpi_adds + info->dlpi_subs;
}

static const ElfW(Phdr) *segment_of_type(const struct dl_phdr_info *info, uint32_t type)
{
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == type)
            return &info->dlpi_phdr[i];
    }
    return NULL;
}

/* From the lowest to the highest executable page: nearly always one segment. */
static void find_text(const struct dl_phdr_info *info, struct module *module)
{
    uintptr_t page = PAGE_BYTES;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
            continue;
        uintptr_t start = (info->dlpi_addr + segment->p_vaddr) & -page;
        uintptr_t end = (info->dlpi_addr + segment->p_vaddr + segment->p_memsz + page - 1) & -page;
        if (module->text_end == 0) {
            module->text_start = start;
            module->text_file_offset = segment->p_offset & -(uint64_t)page;
        }
        module->text_end = end; /* program headers ascend */
    }
}

/* How many bytes the object has mapped from this address on; 0: it is not in the object's memory. */
static size_t mapped_bytes(const struct dl_phdr_info *info, uintptr_t address)
{
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && address >= start && address - start < segment->p_memsz)
            return segment->p_memsz - (address - start);
    }
    return 0;
}

/* .eh_frame has no segment of its own; .eh_frame_hdr, which has one, begins with a pointer to it. */
static void find_eh_frame(const struct dl_phdr_info *info, struct module *module)
{
    const ElfW(Phdr) *segment = segment_of_type(info, PT_GNU_EH_FRAME);
    if (!segment || segment->p_memsz < 8)
        return;
    uintptr_t header = info->dlpi_addr + segment->p_vaddr;
    if (mapped_bytes(info, header) < 8)
        return;
    const uint8_t *bytes = (const uint8_t *)header; /* version, encoding of the pointer, two more encodings */
    module->eh_frame_hdr = header;
    if (bytes[0] != 1 || bytes[1] != ENCODING_PCREL_SDATA4)
        return;
    int32_t distance;
    memcpy(&distance, bytes + 4, sizeof distance);
    uintptr_t eh_frame = header + 4 + (uintptr_t)(intptr_t)distance;
    module->eh_frame_size = mapped_bytes(info, eh_frame);
    module->eh_frame = module->eh_frame_size ? (const uint8_t *)eh_frame : NULL;
}

/* The note's descriptor in hex, if one of the notes in this segment is a build id. */
static void find_build_id(const struct dl_phdr_info *info, const ElfW(Phdr) *segment, char *hex)
{
    const uint8_t *at = (const uint8_t *)(info->dlpi_addr + segment->p_vaddr);
    size_t size = mapped_bytes(info, (uintptr_t)at);
    size_t left = size < segment->p_memsz ? size : segment->p_memsz;
    size_t align = segment->p_align == 8 ? 8 : 4;
    ElfW(Nhdr) note;
    while (left >= sizeof note) {
        memcpy(&note, at, sizeof note);
        size_t name_end = sizeof note + note.n_namesz;
        size_t descriptor = (name_end + align - 1) & -align;
        size_t end = descriptor + note.n_descsz;
        if (end > left)
            return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof ELF_NOTE_GNU &&
            memcmp(at + sizeof note, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0) {
            for (size_t i = 0; i < note.n_descsz && i < MODULE_BUILD_ID_MAX; i++) {
                hex[2 * i] = "0123456789abcdef"[at[descriptor + i] >> 4];
                hex[2 * i + 1] = "0123456789abcdef"[at[descriptor + i] & 15];
            }
            return;
        }
        size_t next = (end + align - 1) & -align;
        if (next > left)
            return;
        at += next;
        left -= next;
    }
}

/* The loader calls the program "" and knows a library by the name it was opened by. */
static void find_path(const struct dl_phdr_info *info, const struct module *module, char path[PATH_MAX])
{
    static const char deleted[] = " (deleted)";
    uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
    if (vdso >= module->text_start && vdso < module->text_end) {
        strcpy(path, "[vdso]");
    } else if (module->is_program) {
        ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
        path[length > 0 ? length : 0] = '\0';
        /* The kernel's remark after the file was replaced; a symbol reader compares build ids anyhow. */
        size_t cut = strlen(path) >= strlen(deleted) ? strlen(path) - strlen(deleted) : 0;
        if (cut > 0 && strcmp(path + cut, deleted) == 0)
            path[cut] = '\0';
    } else if (info->dlpi_name[0] == '/' || !realpath(info->dlpi_name, path)) {
        strncpy(path, info->dlpi_name, PATH_MAX - 1);
        path[PATH_MAX - 1] = '\0';
    }
}

static int visit_object(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    struct visit *visit = argument;
    visit->generation = generation_of(info);
    struct module module = {.bias = info->dlpi_addr};
    char path[PATH_MAX];
    module.path = path;
    find_text(info, &module);
    if (module.text_end == 0)
        return 0;
    module.is_program = info->dlpi_name[0] == '\0';
    module.is_own = module.is_program;
    find_path(info, &module, path);
    find_eh_frame(info, &module);
    for (unsigned i = 0; i < info->dlpi_phnum && !module.build_id[0]; i++) {
        if (info->dlpi_phdr[i].p_type == PT_NOTE)
            find_build_id(info, &info->dlpi_phdr[i], module.build_id);
    }
    visit->visit(&module, visit->context);
    return 0;
}

uint64_t module_visit(module_visit_fn visit, void *context)
{
    struct visit argument = {.visit = visit, .context = context};
    dl_iterate_phdr(visit_object, &argument);
    return argument.generation;
}

static void append_copy(const struct module *module, void *context)
{
    struct module_list *list = context;
    list->modules = mem_realloc(list->modules, (list->count + 1) * sizeof *list->modules);
    list->modules[list->count] = *module;
    list->modules[list->count].path = mem_copy_string(module->path);
    list->count++;
}

static int by_text_start(const void *left, const void *right)
{
    uintptr_t a = ((const struct module *)left)->text_start, b = ((const struct module *)right)->text_start;
    return a < b ? -1 : a > b;
}

struct module_list *module_list_create(void)
{
    struct module_list *list = MEM_NEW(struct module_list);
    list->generation = module_visit(append_copy, list);
    qsort(list->modules, list->count, sizeof *list->modules, by_text_start);
    return list;
}

void module_list_destroy(struct module_list *list)
{
    if (!list)
        return;
    for (unsigned i = 0; i < list->count; i++)
        mem_free(list->modules[i].path);
    mem_free(list->modules);
    mem_free(list);
}

static int stop_at_first(struct dl_phdr_info *info, size_t size, void *generation)
{
    (void)size;
    *(uint64_t *)generation = generation_of(info);
    return 1;
}

uint64_t module_generation(void)
{
    uint64_t generation = 0;
    dl_iterate_phdr(stop_at_first, &generation);
    return generation;
}

const struct module *module_find(const struct module_list *list, uintptr_t address)
{
    unsigned low = 0, high = list->count; /* the first module that starts beyond the address is in [low, high] */
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (list->modules[middle].text_start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && address < list->modules[low - 1].text_end ? &list->modules[low - 1] : NULL;
}
