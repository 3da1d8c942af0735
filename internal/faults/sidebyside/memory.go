//go:build linux

package main

import "github.com/procpool/procpool/pool"

func capped(dir string) line { return misdeed("memory", pool.WithMemoryLimit(memory))(dir) }
