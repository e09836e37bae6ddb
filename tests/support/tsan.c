/* What every program of the ThreadSanitizer build has besides, as two libraries keep something out of its sight. */
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The loader's lock: what two threads do in dlopen and dlclose, one after the other, looks like a race. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:ld-linux-x86-64.so";
}

/* libuv closes descriptors by syscall(SYS_close): whoever gets the same number next would seem to race with libuv's
 * last use of it. It finds this function instead, which closes by close(), where ThreadSanitizer looks. */
long syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long first = va_arg(list, long), second = va_arg(list, long), third = va_arg(list, long);
    register long fourth __asm__("r10") = va_arg(list, long);
    register long fifth __asm__("r8") = va_arg(list, long);
    register long sixth __asm__("r9") = va_arg(list, long);
    va_end(list);
    if (number == SYS_close)
        return close((int)first);
    long result = number;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(first), "S"(second), "d"(third), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    if (result < 0 && result >= -4095) {
        errno = (int)-result;
        return -1;
    }
    return result;
}
