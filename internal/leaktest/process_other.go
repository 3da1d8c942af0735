//go:build !linux

package leaktest

import "strconv"

// Children lists the child processes of pid, zombies included. It knows of none on this system.
func Children(pid int) []int { return nil }

// Alive reports whether there is a process pid that is more than a zombie. It cannot tell on this system and says no.
func Alive(pid int) bool { return false }

// ScanCookie lists the processes, other than this one, that were started with an environment that contains text. It knows of
// none on this system.
func ScanCookie(text string) []int { return nil }

// FDs lists the open descriptors of this process and what they refer to. It knows of none on this system.
func FDs() map[int]string { return nil }

func describe(pid int) string { return strconv.Itoa(pid) }
