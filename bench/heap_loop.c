/* heap_loop.c: the loops with whatever malloc it is started with (LD_PRELOAD); prints ns of each, medians. */
#include "heap_loop.h"

#include <stdio.h>

#define ROUNDS 15

DEFINE_LOOPS(any, malloc, free)

int main(void)
{
    static struct loop_input input;
    double pair[ROUNDS], window[ROUNDS];
    loop_prepare(&input);
    for (int i = 0; i < ROUNDS; i++) {
        pair[i] = loop_ns(any_pair, &input);
        window[i] = loop_ns(any_window, &input);
    }
    printf("%.2f %.2f\n", median(pair, ROUNDS), median(window, ROUNDS));
    return 0;
}
