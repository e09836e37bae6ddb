/* manual.h: what takhin-profiler's manual says, as data: help.c shows it as text, help_man.c as roff. */
#ifndef CMD_PROFILER_MANUAL_H
#define CMD_PROFILER_MANUAL_H

/* In text and terms `this` is typed as it stands, and {THAT} stands for something else. */
struct manual_item {
    enum manual_kind {
        MANUAL_SECTION,    /* term: its title */
        MANUAL_SUBSECTION, /* the same, below one */
        MANUAL_PARAGRAPH,  /* text */
        MANUAL_TERM,       /* term, and the text that explains it */
        MANUAL_CODE,       /* text: lines as they are, without marks */
    } kind;
    const char *term, *text;
};

/* Hand out the whole manual from top to bottom; an item is valid during the call. */
void manual_walk(void (*visit)(const struct manual_item *item, void *context), void *context);

#endif
