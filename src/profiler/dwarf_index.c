/* dwarf_index.c: spans of addresses with their innermost function, a compilation unit at a time. */
#include "profiler/dwarf_index.h"

#include "base/check.h"
#include "base/mem.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NO_SCOPE UINT32_MAX
/* Deeper nesting of scopes than any compiler writes: a broken file must not use up the stack. */
#define NESTING_MAX 200

/* A function or an inlined copy of one. What only a lookup needs is read from its DIE then. */
struct scope {
    Dwarf_Die die;
    uint32_t parent; /* the scope that it is inlined into; NO_SCOPE for a function of its own */
};

struct range {
    uint64_t start, end;
    uint32_t scope;
};

/* From start up to the next span's start; NO_SCOPE: outside all functions. */
struct span {
    uint64_t start;
    uint32_t scope;
};

struct unit {
    Dwarf_Die die;
    bool is_read;
    struct scope *scopes;
    struct span *spans;
    uint32_t scope_count, scope_capacity, span_count;
    Dwarf_Lines *lines;
    size_t line_count;
    Dwarf_Files *files;
    const char *directory; /* where the compiler ran, or NULL */
};

struct unit_range {
    uint64_t start, end;
    uint32_t unit;
};

struct dwarf_index {
    Dwarf *dwarf;
    struct unit *units;
    struct unit_range *ranges; /* sorted by start */
    uint32_t unit_count, range_count, unit_capacity, range_capacity;
};

/* Ranges of a unit while it is read. */
struct ranges {
    struct range *items;
    uint32_t count, capacity;
};

/* Room for one more item in an array that doubles. */
static void *grow(void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 64;
    return mem_realloc(items, *capacity * size);
}

static void add_unit(struct dwarf_index *index, Dwarf_Die *die)
{
    index->units = grow(index->units, index->unit_count, &index->unit_capacity, sizeof *index->units);
    index->units[index->unit_count] = (struct unit){.die = *die};
    Dwarf_Addr base, start, end;
    ptrdiff_t offset = 0;
    while ((offset = dwarf_ranges(die, offset, &base, &start, &end)) > 0) {
        index->ranges = grow(index->ranges, index->range_count, &index->range_capacity, sizeof *index->ranges);
        index->ranges[index->range_count++] = (struct unit_range){start, end, index->unit_count};
    }
    index->unit_count++;
}

static int compare_unit_ranges(const void *a, const void *b)
{
    const struct unit_range *left = a, *right = b;
    return (left->start > right->start) - (left->start < right->start);
}

struct dwarf_index *dwarf_index_create(Elf *elf)
{
    Dwarf *dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
    if (!dwarf)
        return NULL;
    struct dwarf_index *index = MEM_NEW(struct dwarf_index);
    index->dwarf = dwarf;
    Dwarf_CU *previous = NULL;
    Dwarf_Die die;
    uint8_t type;
    while (dwarf_get_units(dwarf, previous, &previous, NULL, &type, &die, NULL) == 0)
        if (type == DW_UT_compile)
            add_unit(index, &die);
    if (index->range_count == 0) {
        dwarf_index_destroy(index);
        return NULL;
    }
    qsort(index->ranges, index->range_count, sizeof *index->ranges, compare_unit_ranges);
    return index;
}

void dwarf_index_destroy(struct dwarf_index *index)
{
    if (!index)
        return;
    for (uint32_t i = 0; i < index->unit_count; i++) {
        mem_free(index->units[i].scopes);
        mem_free(index->units[i].spans);
    }
    mem_free(index->units);
    mem_free(index->ranges);
    dwarf_end(index->dwarf);
    mem_free(index);
}

static uint32_t add_scope(struct unit *unit, const Dwarf_Die *die, uint32_t parent)
{
    unit->scopes = grow(unit->scopes, unit->scope_count, &unit->scope_capacity, sizeof *unit->scopes);
    unit->scopes[unit->scope_count] = (struct scope){.die = *die, .parent = parent};
    return unit->scope_count++;
}

/* The scope of a DIE that has code, with its ranges; NO_SCOPE if it has none (a declaration, an abstract instance). */
static uint32_t read_scope(struct unit *unit, struct ranges *ranges, Dwarf_Die *die, uint32_t parent)
{
    uint32_t scope = NO_SCOPE;
    Dwarf_Addr base, start, end;
    ptrdiff_t offset = 0;
    while ((offset = dwarf_ranges(die, offset, &base, &start, &end)) > 0) {
        if (start >= end)
            continue;
        if (scope == NO_SCOPE)
            scope = add_scope(unit, die, parent);
        ranges->items = grow(ranges->items, ranges->count, &ranges->capacity, sizeof *ranges->items);
        ranges->items[ranges->count++] = (struct range){start, end, scope};
    }
    return scope;
}

static void read_children(struct unit *unit, struct ranges *ranges, Dwarf_Die *die, uint32_t scope, unsigned nesting)
{
    Dwarf_Die child;
    if (nesting == NESTING_MAX || dwarf_child(die, &child) != 0)
        return;
    do {
        uint32_t inner = scope;
        switch (dwarf_tag(&child)) {
        case DW_TAG_subprogram:
            inner = read_scope(unit, ranges, &child, NO_SCOPE);
            break;
        case DW_TAG_inlined_subroutine:
            inner = read_scope(unit, ranges, &child, scope);
            break;
        case DW_TAG_lexical_block:
        case DW_TAG_try_block:
        case DW_TAG_catch_block:
            break;
        case DW_TAG_namespace:
        case DW_TAG_class_type:
        case DW_TAG_structure_type:
            if (scope == NO_SCOPE)
                read_children(unit, ranges, &child, NO_SCOPE, nesting + 1);
            continue;
        default:
            continue;
        }
        if (inner != NO_SCOPE)
            read_children(unit, ranges, &child, inner, nesting + 1);
    } while (dwarf_siblingof(&child, &child) == 0);
}

/* By start; of those that start together the outer one first. A scope's number is higher than its parent's. */
static int compare_ranges(const void *a, const void *b)
{
    const struct range *left = a, *right = b;
    if (left->start != right->start)
        return left->start < right->start ? -1 : 1;
    return (left->scope > right->scope) - (left->scope < right->scope);
}

static void add_span(struct unit *unit, uint64_t start, uint32_t scope)
{
    if (unit->span_count > 0 && unit->spans[unit->span_count - 1].start == start)
        unit->span_count--;
    unit->spans[unit->span_count++] = (struct span){start, scope};
}

/* Nested ranges become a row of spans: a sweep over the starts that keeps the open ranges, innermost on top. */
static void build_spans(struct unit *unit, struct ranges *ranges)
{
    if (ranges->count == 0)
        return;
    qsort(ranges->items, ranges->count, sizeof *ranges->items, compare_ranges);
    unit->spans = mem_alloc_array(ranges->count, 2 * sizeof *unit->spans); /* each range starts one and ends one */
    struct range *open = mem_alloc_array(ranges->count, sizeof *open);
    uint32_t depth = 0;
    for (uint32_t i = 0; i <= ranges->count; i++) {
        uint64_t limit = i < ranges->count ? ranges->items[i].start : UINT64_MAX;
        while (depth > 0 && open[depth - 1].end <= limit) {
            uint64_t end = open[--depth].end;
            while (depth > 0 && open[depth - 1].end <= end)
                depth--;
            add_span(unit, end, depth > 0 ? open[depth - 1].scope : NO_SCOPE);
        }
        if (i < ranges->count) {
            add_span(unit, limit, ranges->items[i].scope);
            open[depth++] = ranges->items[i];
        }
    }
    mem_free(open);
}

static void read_unit(struct unit *unit)
{
    struct ranges ranges = {0};
    unit->is_read = true;
    /* What an assembler calls a function is just one of its labels; the symbol table knows better. */
    if (dwarf_srclang(&unit->die) != DW_LANG_Mips_Assembler)
        read_children(unit, &ranges, &unit->die, NO_SCOPE, 0);
    build_spans(unit, &ranges);
    mem_free(ranges.items);

    size_t file_count;
    if (dwarf_getsrclines(&unit->die, &unit->lines, &unit->line_count) != 0)
        unit->line_count = 0;
    if (dwarf_getsrcfiles(&unit->die, &unit->files, &file_count) != 0)
        unit->files = NULL;
    Dwarf_Attribute attribute;
    unit->directory = dwarf_formstring(dwarf_attr(&unit->die, DW_AT_comp_dir, &attribute));
}

/* A range that starts at or before the address and holds it. Ranges of units do not overlap in what linkers write. */
static struct unit *find_unit(struct dwarf_index *index, uint64_t address)
{
    uint32_t low = 0, high = index->range_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index->ranges[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address >= index->ranges[low - 1].end)
        return NULL;
    struct unit *unit = &index->units[index->ranges[low - 1].unit];
    if (!unit->is_read)
        read_unit(unit);
    return unit;
}

static uint32_t find_scope(const struct unit *unit, uint64_t address)
{
    uint32_t low = 0, high = unit->span_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (unit->spans[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? unit->spans[low - 1].scope : NO_SCOPE;
}

/* libdw puts the compiler's directory before a relative name. Taking it off again gives names that do not depend on
 * where the build ran. */
static const char *as_compiled(const struct unit *unit, const char *file)
{
    if (!file)
        return "";
    size_t length = unit->directory ? strlen(unit->directory) : 0;
    if (length > 0 && strncmp(file, unit->directory, length) == 0 && file[length] == '/')
        return file + length + 1;
    return file;
}

/* The last row at or before the address; libdw keeps them sorted. */
static void find_line(const struct unit *unit, uint64_t address, struct dwarf_frame *frame)
{
    size_t low = 0, high = unit->line_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        Dwarf_Addr start = 0;
        dwarf_lineaddr(dwarf_onesrcline(unit->lines, middle), &start);
        if (start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    /* Line 0 means code that the compiler could give to no line: what stands before it is the better answer. */
    for (; low > 0; low--) {
        Dwarf_Line *row = dwarf_onesrcline(unit->lines, low - 1);
        bool is_end = true;
        int line = 0;
        if (dwarf_lineendsequence(row, &is_end) != 0 || is_end)
            return;
        if (dwarf_lineno(row, &line) == 0 && line > 0) {
            frame->line = (uint32_t)line;
            frame->file = as_compiled(unit, dwarf_linesrc(row, NULL, NULL));
            return;
        }
    }
}

static Dwarf_Word number_of(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number = 0;
    if (dwarf_attr_integrate(die, name, &attribute))
        dwarf_formudata(&attribute, &number);
    return number;
}

unsigned dwarf_index_find(struct dwarf_index *index, uint64_t address, struct dwarf_frame *frames, unsigned capacity)
{
    struct unit *unit = capacity > 0 ? find_unit(index, address) : NULL;
    if (!unit)
        return 0;
    uint32_t scope = find_scope(unit, address);
    frames[0] = (struct dwarf_frame){.file = ""};
    find_line(unit, address, &frames[0]);
    if (scope == NO_SCOPE)
        return frames[0].line ? 1 : 0;

    unsigned count = 0;
    for (;;) {
        Dwarf_Die *die = &unit->scopes[scope].die;
        Dwarf_Attribute attribute;
        frames[count].function = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute));
        frames[count].start_line = (uint32_t)number_of(die, DW_AT_decl_line);
        scope = unit->scopes[scope].parent;
        count++;
        if (scope == NO_SCOPE || count == capacity)
            return count;
        /* The outer function stands where it calls the inlined one. */
        Dwarf_Word file = number_of(die, DW_AT_call_file);
        frames[count] = (struct dwarf_frame){
            .file = as_compiled(unit, unit->files ? dwarf_filesrc(unit->files, file, NULL, NULL) : NULL),
            .line = (uint32_t)number_of(die, DW_AT_call_line),
        };
    }
}
