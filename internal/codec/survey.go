package codec

// survey finds out what there is in all that a type leads to.
func (n *node) survey() { n.positional = holdsPositional(n, make(map[*node]bool)) }

// holdsPositional goes as far as the plan itself does: not into what has methods of its own, nor behind an interface.
func holdsPositional(n *node, seen map[*node]bool) bool {
	if n == nil || seen[n] || n.encMethod != "" || n.decMethod != "" {
		return false
	}
	seen[n] = true
	if holdsPositional(n.key, seen) || holdsPositional(n.elem, seen) {
		return true
	}
	if n.fields == nil {
		return false
	}
	if n.fields.positional && !n.fields.asArray {
		return true
	}
	for _, f := range n.fields.list {
		if holdsPositional(f.node, seen) {
			return true
		}
	}
	return false
}
