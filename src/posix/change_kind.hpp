// What calls change.
#pragma once

namespace forebay {

// Besides what is behind the names a call is given.
enum class Change {
  none,           // but the origin is where it is done
  attributes,     // the entry itself
  content,        // of the file, by its name
  new_name,       // a name comes into its directory; refused with EEXIST when the catalog has it
  new_directory,  // the same, of a directory
  new_symlink,
  old_name,       // a name goes from its directory
  whole_subtree,  // a name goes, with all below it
  covered         // a mount comes or goes there: all below it is something else
};
inline bool makes_name(Change what) {
  return what == Change::new_name || what == Change::new_directory || what == Change::new_symlink;
}
inline bool changes_names(Change what) {
  return what != Change::none && what != Change::attributes && what != Change::content;
}

// What a call with two names does to them.
enum class TwoNames { neither, renames, exchanges, links };

}  // namespace forebay
