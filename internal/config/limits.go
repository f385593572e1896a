package config

// maxFile bounds what is read into memory: a thousand times what all keys need, long lists of peers included.
const maxFile = 1 << 20
