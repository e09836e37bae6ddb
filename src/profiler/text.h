/* text.h: stacks as lines for people, in the shapes that Go's runtime/pprof writes for debug=1. */
#ifndef PROFILER_TEXT_H
#define PROFILER_TEXT_H

#include "base/buf.h"
#include "profiler/stack_table.h"

struct collection;
struct text_writer;

/* Looks names up while it lives. */
struct text_writer *text_writer_create(struct collection *collection, struct buf *text);
void text_writer_destroy(struct text_writer *writer);

/* " @ 0x43b2f6 0x44c17e\n", after the caller's "3" or "398017593566 36807". */
void text_write_addresses(struct text_writer *writer, const struct stack_key *key);
/* "# labels: {"api":"Fetch", "topic":"orders"}\n"; nothing where there is no label. */
void text_write_labels(struct text_writer *writer, const struct stack_key *key);
/* "#\t0x467444\tstorage_log_append+0x24\tsrc/storage/log.c:77\n" for each frame, columns aligned as Go's tabwriter does
 * (minimum width 1, tab width 8, padding 1), then an empty line. */
void text_write_frames(struct text_writer *writer, const struct stack_key *key);

/* All three for each entry, largest first, with `write_head` for what stands before the " @". */
void text_write_entries(struct text_writer *writer,
                        void (*write_head)(struct buf *text, const struct stack_entry *entry));

/* A profile_type's write_text, of one that counts: "goroutine profile: total 9\n", then each entry after its count. */
void text_write_counts(struct collection *collection, struct buf *text);

/* "storage_log_append(...)\n\tsrc/storage/log.c:77 +0x24\n" for each frame, as in a dump of goroutines. Of a parked
 * task it begins at what was called to wait: Go shows no gopark either. */
void text_write_traceback(struct text_writer *writer, const struct stack_key *key);
/* The one frame in which a call returned to this address lies: "created by NAME<suffix>\n\tFILE:LINE +0x1c\n". */
void text_write_creator(struct text_writer *writer, uintptr_t return_address, const char *suffix);

#endif
