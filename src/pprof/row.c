/* row.c: two columns, as wide as those of top.h's table. */
#include "pprof/row.h"

#include "pprof/measure.h"

void row_append_sum(const struct filter *filter, int64_t sum, struct buf *out)
{
    char text[128], share[32];
    measure_format(sum, filter->unit, MEASURE_BEST_UNIT, text, sizeof(text));
    measure_percentage(sum, filter->total, share, sizeof(share));
    buf_printf(out, "%*s %s", measure_width(text, 10), text, share);
}

void row_append_rest(uint32_t count, struct buf *out)
{
    if (count > 0)
        buf_printf(out, "%10s %6s  and %u more\n", "", "", count);
}
