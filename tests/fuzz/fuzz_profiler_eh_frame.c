/* fuzz_profiler_eh_frame.c: any bytes as .eh_frame give sorted rows within the text, each of which can be found. */
#include "profiler/cfi.h"

#include "base/check.h"
#include "base/mem.h"

#define TEXT 0x400000u
#define TEXT_END 0x410000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cfi_table table = {0};
    cfi_compile(&table, &(struct cfi_source){
                            .eh_frame = bytes_of(data, size),
                            .address = 0x700000,
                            .header_address = 0x6ff000,
                            .text_start = TEXT,
                            .text_end = TEXT_END,
                        });
    for (size_t i = 0; i < table.count; i++) {
        const struct cfi_row *row = &table.rows[i];
        ASSERT(row->pc <= TEXT_END - TEXT);
        ASSERT(i == 0 || row[-1].pc < row->pc);
        ASSERT(row->rule >> CFI_RULE_BITS == 0);
        ASSERT(cfi_find(table.rows, table.count, row->pc) == row->rule);
    }
    ASSERT(table.count == 0 || cfi_rule_kind(table.rows[table.count - 1].rule) == CFI_NONE);
    ASSERT(table.count == 0 || cfi_find(table.rows, table.count, UINT32_MAX) == table.rows[table.count - 1].rule);
    mem_free(table.rows);
    return 0;
}
