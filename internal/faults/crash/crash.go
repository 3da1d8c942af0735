//go:build cgo && linux

package crash

/*
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile int *nowhere;

static void fault(void) { *nowhere = 1; }
static void smash(void) { volatile char *p = malloc(8); free((void *)p); free((void *)p); abort(); }
static void spin(void) { for (volatile int i = 0;; i++) {} }
static int say(const char *text) { int n = printf("%s\n", text); fflush(stdout); return n; }
static int hear(void) { char word[16]; return scanf("%15s", word); }
*/
import "C"

import "unsafe"

// Fault writes through a null pointer in C.
func Fault() { C.fault() }

// Abort calls abort.
func Abort() { C.abort() }

// DoubleFree frees the same memory twice, which the C library answers by abort.
func DoubleFree() { C.smash() }

// Exit calls C's exit, which runs the handlers of the C library and none of Go's.
func Exit(code int) { C.exit(C.int(code)) }

// ExitAtOnce calls _exit.
func ExitAtOnce(code int) { C._exit(C.int(code)) }

// Spin never returns and cannot be preempted.
func Spin() { C.spin() }

// Print prints a line with printf.
func Print(text string) {
	c := C.CString(text)
	defer C.free(unsafe.Pointer(c))
	C.say(c)
}

// Scan calls scanf for a word and returns what it returned: the number of words, negative at the end of the input.
func Scan() int { return int(C.hear()) }
