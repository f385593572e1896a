package group

// Fill appends a record whatever room it takes.
func (g *Group) Fill(r Record) error { return g.append(0, r) }
