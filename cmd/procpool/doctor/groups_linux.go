package doctor

import (
	"path/filepath"
	"slices"
	"strings"
)

// groups returns the directories of the control groups that this process is in for a controller, its own first and then those above, below the root of
// the system. Where a v1 hierarchy has the controller it is that, else version 2's.
func (s *system) groups(controller string) []string {
	memberships := s.read("proc/self/cgroup")
	for _, want := range []string{controller, ""} {
		path, found := membership(memberships, want)
		if !found {
			continue
		}
		if point, root := groupMount(s.read("proc/self/mountinfo"), want); point != "" {
			return upwards(point, strings.TrimPrefix(path, strings.TrimSuffix(root, "/")))
		}
	}
	return nil
}

// membership reads lines such as "4:memory:/user.slice", and "0::/user.slice" for version 2, which has no controllers there.
func membership(text, controller string) (path string, found bool) {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && (fields[1] == controller || controller != "" && slices.Contains(strings.Split(fields[1], ","), controller)) {
			return fields[2], true
		}
	}
	return "", false
}

// groupMount returns where a hierarchy is mounted, and which part of it.
func groupMount(text, controller string) (point, root string) {
	for line := range strings.Lines(text) {
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 {
			continue
		}
		second := controller == "" && right[0] == "cgroup2"
		first := controller != "" && right[0] == "cgroup" && slices.Contains(strings.Split(right[2], ","), controller)
		if first || second {
			return left[4], left[3]
		}
	}
	return "", ""
}

// upwards lists a directory below a mount point and all between the two, both included. What lies outside is the mount point alone.
func upwards(point, path string) (dirs []string) {
	if !filepath.IsLocal(strings.TrimLeft(path, "/")) {
		return []string{point}
	}
	for dir := filepath.Join(point, path); ; dir = filepath.Dir(dir) {
		dirs = append(dirs, dir)
		if dir == point || len(dir) <= len(point) {
			return dirs
		}
	}
}
