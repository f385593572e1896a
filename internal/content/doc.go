// Package content is the content of a torrent on disk: where its files are, whether they are still the
// files they were, and whether their bytes are what the torrent says.
//
// Entry points: At finds the files of a torrent below a path, Verify checks their bytes piece by piece on
// all cores, Extra lists what else lies in the folder. Layout and Hashing are the parts they are built
// from, shared with the builder of torrents and the storage that seeds.
//
// It guarantees that every file is opened through an os.Root, so that no symlink leads out of the folder;
// that nothing but a regular file is ever read, so that a FIFO cannot hold it up; and that it only reads.
// It never writes, moves or removes anything, and never takes a stamp for a proof: only Verify says that
// bytes are right.
package content
