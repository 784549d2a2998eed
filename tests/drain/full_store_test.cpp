// A store on a file system without room.
#define BOOST_TEST_MODULE full_store
#include "drain/tree_lab.hpp"

#include "buffer/private_mounts.hpp"

namespace forebay {
namespace {

using Kind = CheckpointTree::Kind;
using test::file_named;

struct PrivateMounts {
  PrivateMounts() { enter_private_mounts(); }
};

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(PrivateMounts);

BOOST_AUTO_TEST_CASE(without_room_a_listing_fails_says_so_and_is_finished_when_there_is_room) {
  const ScratchDirectory scratch;
  mount_tmpfs(scratch.path(), 256u << 10);
  {
    const auto store = StoreDirectory::open(scratch.path(), "/dest", std::chrono::milliseconds(0));
    BOOST_TEST_REQUIRE(store.ok());
    const CheckpointTree tree(*store, "/mount", "/dest");
    const std::string filler = scratch.path() + "/filler";
    {
      std::ofstream file(filler);
      while (file << std::string(4096, 'x') << std::flush) {
      }
    }
    const auto none = [](const std::string&) { return false; };
    const auto listed = tree.add_names("", "", {}, {file_named("a"), file_named("b")}, none);
    BOOST_TEST_REQUIRE(!listed.ok());
    BOOST_TEST((listed.error().code == Code::no_space));
    BOOST_TEST((tree.look("")->kind == Kind::unlisted));
    BOOST_TEST((tree.look("a")->kind == Kind::absent));
    const auto incoming = tree.begin();
    BOOST_TEST_REQUIRE(incoming.ok());
    const std::string text(8192, 'y');
    BOOST_TEST((incoming->write(std::as_bytes(std::span(text)), 0).error().code == Code::no_space));

    std::filesystem::remove(filler);
    BOOST_TEST(tree.add_names("", "", {}, {file_named("a"), file_named("b")}, none).ok());
    BOOST_TEST((tree.look("a")->kind == Kind::placeholder));
  }
  ::umount2(scratch.path().c_str(), MNT_DETACH);
}

}  // namespace forebay
