package cli

var (
	Printable = printable

	ReadPeople = readPeople
)

// CommandNames is the table's, for tests that look at every command.
func CommandNames() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// LongFlags are the long flags of a command.
func LongFlags(name string) []string {
	table := commands()
	var names []string
	for _, f := range find(table, name).allFlags() {
		names = append(names, "--"+f.Names()[0])
	}
	return names
}
