/* analysis_silence.c: times in which no thread did anything. */
#include "trace/analysis_state.h"

#define SILENCE_MIN_NS 20000000

/* Before the heap's size is due, nobody may have anything to do. */
void analysis_hear(struct silence *silence, uint64_t last_ns, uint64_t now_ns)
{
    uint64_t start_ns = last_ns > silence->heap_due_ns ? last_ns : silence->heap_due_ns;
    if (silence->heap_due_ns == 0 || now_ns <= start_ns ||
        now_ns - start_ns <= silence->gap_end_ns - silence->gap_start_ns)
        return;
    silence->gap_start_ns = start_ns;
    silence->gap_end_ns = now_ns;
}

/* The times between two are a multiple of some period, mostly the one before. Where one is late, and nothing else
 * happened meanwhile, no thread could run. */
void analysis_hear_heap(struct silence *silence, uint64_t now_ns)
{
    uint64_t since_ns = now_ns - silence->heap_ns, gap_ns = silence->gap_end_ns - silence->gap_start_ns;
    bool is_late = silence->heap_every_ns != 0 && since_ns % silence->heap_every_ns >= SILENCE_MIN_NS;
    if (is_late && gap_ns >= SILENCE_MIN_NS && gap_ns > silence->end_ns - silence->start_ns) {
        silence->start_ns = silence->gap_start_ns;
        silence->end_ns = silence->gap_end_ns;
    }
    if (silence->heap_ns != 0 && since_ns > 0 && (silence->heap_every_ns == 0 || since_ns < silence->heap_every_ns))
        silence->heap_every_ns = since_ns;
    silence->heap_due_ns = silence->heap_every_ns == 0 ? 0
                                                       : now_ns + (is_late ? silence->heap_every_ns : since_ns);
    silence->heap_ns = now_ns;
    silence->gap_start_ns = silence->gap_end_ns = 0;
}
