package acl

// Names says whether the rule is about an account, whatever it says of it.
func (r Rule) Names(a *Account) bool { return r.names(a) }
