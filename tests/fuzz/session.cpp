// A session directory as a process attaches to it: a control page, a catalog and a state table with any bytes
// changed are refused, or lead nowhere that the process does not survive.
//
// An input is a row of changes to a good session: a file, an offset, bytes; or a new length. Lookups are made
// when the catalog is sound, because servers verify it before any process maps it.
#include "client/mapped_session.cpp"  // For what is inside: a process attaches once, a target many times.

#include "catalog/catalog_verify.hpp"
#include "client/attributes.hpp"
#include "client/client_lab.hpp"
#include "client/invalidation.hpp"
#include "client/object_open.hpp"
#include "client/path_resolver.hpp"
#include "client/permission.hpp"
#include "fuzz/fuzz_target.hpp"
#include "fuzz/sample_listings.hpp"

namespace forebay::fuzz {
namespace {

constexpr std::array<const char*, 3> kFiles = {"control", "catalog.0", "state.0"};
constexpr std::size_t kFileBytesMax = 1u << 20;

struct GoodSession {
  GoodSession() {
    std::filesystem::create_directories(scratch.path() + "/tree/d/e");
    write_file(scratch.path() + "/tree/file", "some bytes");
    write_file(scratch.path() + "/tree/d/other", std::string(5000, 'x'));
    write_file(scratch.path() + "/tree/d/e/large", std::string(2 * kChunkBytes + 1, 'y'));
    std::filesystem::create_symlink("d/e", scratch.path() + "/tree/link");
    std::filesystem::create_symlink("../link/../file", scratch.path() + "/tree/d/winding");
    lab = std::make_unique<test::ClientLab>(scratch.path() + "/tree", scratch.path());
    for (std::size_t i = 0; i < kFiles.size(); ++i) {
      files[i] = file_bytes(lab->directory() + "/" + kFiles[i]);
    }
    // What inputs change is a copy: the lab keeps its own mapped.
    directory = scratch.path() + "/copy";
    std::filesystem::create_directory(directory);
    FOREBAY_CHECK(::chmod(directory.c_str(), 0700) == 0);
    std::filesystem::copy(lab->directory() + "/tree.0", directory + "/tree.0",
                          std::filesystem::copy_options::recursive);
  }
  Scratch scratch;
  std::unique_ptr<test::ClientLab> lab;
  std::array<std::string, kFiles.size()> files;
  std::string directory;
};

GoodSession& good() {
  static GoodSession made;
  return made;
}

void use(const MappedSession& session) {
  const std::string mount = session.dataset_count > 0 ? session.datasets[0].mount : "/";
  Resolution found;
  for (const char* below : {"", "/", "/file", "/d/../file", "//d//e/./large", "/link/large", "/link/../other",
                            "/d/winding", "/../tree/file", "/nope", "/file/nope", "/d/e/../../../x"}) {
    for (const Follow follow : {Follow::yes, Follow::no}) {
      if (resolve(session, AT_FDCWD, (mount + below).c_str(), follow, &found) == Outcome::entry) {
        struct stat info;
        fill_stat(session, found.place(), &info);
        struct statx wide;
        fill_statx(session, found.place(), &wide);
        static_cast<void>(judge(session, found.place(), R_OK | X_OK, AsWhom::effective));
      }
    }
  }
  for (std::uint32_t k = 0; k < session.dataset_count; ++k) {
    const CatalogView& catalog = session.datasets[k].catalog;
    for (std::uint32_t entry = 0; entry < catalog.header().entry_count; ++entry) {
      const Place place{k, entry};
      if (CatalogView::is_object(catalog.entry(entry))) {
        PathText path;
        const Opened opened = open_object(session, place, O_RDONLY | O_CLOEXEC, &path);
        FOREBAY_CHECK(opened.fd >= -1 && opened.error >= 0);
        if (opened.fd >= 0) {
          ::close(opened.fd);
        }
      } else if (CatalogView::is_directory(catalog.entry(entry))) {
        const int fd = open_tree_directory(session, place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
          resolve(session, fd, "../file", Follow::yes, &found);
          ::close(fd);
        }
      }
    }
  }
}

std::string change(unsigned char what, std::uint32_t offset, std::string_view bytes) {
  return std::string(1, static_cast<char>(what)) + bytes_of(offset) + text_piece(bytes);
}

}  // namespace

std::vector<std::string> seeds() {
  const auto heartbeat = static_cast<std::uint32_t>(offsetof(ControlPage, heartbeat_ns));
  const std::uint64_t inode = 12345;
  return {"", change(0, heartbeat, bytes_of(std::uint64_t{1})),
          change(2, sizeof(StateHeader) + 8, bytes_of(inode)),
          change(2, sizeof(StateHeader) + 8, bytes_of(kEntryBypass)),
          change(0, static_cast<std::uint32_t>(offsetof(ControlPage, objects_directory)), "/nowhere")};
}

bool run(std::string_view input) {
  auto files = good().files;
  Pieces pieces(input);
  while (!pieces.empty()) {
    const auto what = pieces.number<unsigned char>();
    const auto offset = pieces.number<std::uint32_t>();
    const std::string_view bytes = pieces.text();
    std::string& file = files[(what & 127) % files.size()];
    if ((what & 128) != 0) {
      file.resize(std::min<std::size_t>(offset, kFileBytesMax));
    } else if (!file.empty()) {
      const std::size_t at = offset % file.size();
      file.replace(at, std::min(bytes.size(), file.size() - at), bytes.substr(0, file.size() - at));
    }
  }
  for (std::size_t i = 0; i < kFiles.size(); ++i) {
    write_file(good().directory + "/" + kFiles[i], files[i]);
    FOREBAY_CHECK(::chmod((good().directory + "/" + kFiles[i]).c_str(), 0600) == 0);
  }
  const bool sound =
      files[1] == good().files[1] || verify_catalog(std::as_bytes(std::span(files[1])), "of this test").ok();
  Attempt attempt;
  const bool attached = fill(good().directory.c_str(), &attempt);
  if (attached && sound) {
    use(*static_cast<MappedSession*>(attempt.session.data));
  }
  attempt.drop();
  return attached;
}

}  // namespace forebay::fuzz
