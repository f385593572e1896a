package config

// maxFile bounds, in bytes, what is read into memory: a thousand times what all keys need, long lists of peers
// included.
const maxFile = 1 << 20
