package state

// maxStateFile bounds a versioned file that is read into memory. The largest, a list of DHT nodes or
// of seeded content, stays far below it; a larger one is not ours.
const maxStateFile = 64 << 20
