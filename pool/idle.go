package pool

// idleList is the slots with a ready worker and nothing in flight. The one on top is taken first. The slots are linked with each other, so that a step
// costs the same however many they are. Under core.mu.
type idleList struct {
	top, bottom *slot
	n           int
}

// idleLink is a slot's place in the list.
type idleLink struct {
	above, below *slot
	listed       bool
}

// push puts a slot on top that is not in the list.
func (l *idleList) push(s *slot) {
	s.link = idleLink{below: l.top, listed: true}
	if l.top != nil {
		l.top.link.above = s
	} else {
		l.bottom = s
	}
	l.top = s
	l.n++
}

// sink makes a slot the last to be taken, if it is in the list.
func (l *idleList) sink(s *slot) {
	if !s.link.listed || l.bottom == s {
		return
	}
	l.remove(s)
	s.link = idleLink{above: l.bottom, listed: true}
	if l.bottom != nil {
		l.bottom.link.below = s
	}
	l.bottom = s
	l.n++
}

// remove takes a slot out, if it is in the list.
func (l *idleList) remove(s *slot) {
	if !s.link.listed {
		return
	}
	above, below := s.link.above, s.link.below
	s.link = idleLink{}
	if above != nil {
		above.link.below = below
	} else {
		l.top = below
	}
	if below != nil {
		below.link.above = above
	} else {
		l.bottom = above
	}
	l.n--
}
