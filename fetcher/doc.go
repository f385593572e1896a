// Package fetcher turns a judged torrent into verified files.
//
// [NewPlan] decides what is to be fetched and where it will be, and touches nothing. [Plan.Existing]
// checks a target that is there already. [Open] makes the staging folder, <dir>/.p2pshare/<infohash>,
// and the [Stage] in it is the storage that the engine writes to; [Stage.Resume] says what an earlier
// attempt left there, and [Stage.Finish] moves the files into place once every wanted piece is proven. [Stage.Reuse] takes what
// lies elsewhere on disk, and [Stage.Whole] takes pieces that came whole, from web servers.
//
// It guarantees that nothing is ever written, replaced or removed in the target but by Finish, which
// only adds, unless [Options].Replace has it put files in the place of those that are not the content; that a file appears there whole and verified or not at all; that every file is opened
// below an os.Root and none through a symlink that somebody planted; and that a piece is called
// complete after a crash only if its bytes reached the disk before the note that says so.
//
// It never speaks to the network. Whether a piece from peers is right the engine decides, and tells the storage; pieces that
// do not come through the engine are held against their hash here.
package fetcher
