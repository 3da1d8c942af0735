// Package cgroup gives worker processes control groups of their own, below a directory that was delegated to the user.
//
//	/sys/fs/cgroup/app.slice/batch      Open: the directory that was delegated
//	├── main                            the program itself, in v2: it may not stay in the directory above
//	├── pool-4711-0                     New, SetMemory; the worker is cloned into FD, or follows by Add
//	│   └── whatever                    a task may make groups too: Kill and Remove reach them
//	└── pool-4711-1
//
// The kernel has two interfaces, and a machine may have both mounted:
//
//	                 v2                               v1, memory hierarchy
//	limit            memory.max, memory.swap.max      memory.limit_in_bytes, memory.memsw.limit_in_bytes
//	at the limit     all of the group dies            the process that the kernel finds worst dies
//	kills            memory.events, of all below      memory.oom_control, of this one group
//	born inside      clone3 with FD                   no: Add after the start
//	end of all       cgroup.kill                      SIGKILL to each of cgroup.procs, until there is none
//
// # What is charged
//
// Memory is charged to the group in which a process was when it touched the page first, and stays there. A worker that
// follows by Add has left what it used until then with its parent's group, and has that much more than its limit.
//
// # What it is not
//
// A sandbox: a worker of the same user may raise its limit, or leave its group, by the same files.
//
// # What is left behind
//
// Groups are directories and outlive whoever made them. A parent that is killed leaves them, empty once its workers
// have gone; nothing here can prevent that.
package cgroup
