#define BOOST_TEST_MODULE stage_spec
#include <boost/test/unit_test.hpp>

#include "config/stage_spec.hpp"

using namespace forebay;

namespace {

StageSpec parsed(const char* text) {
  return parse_stage(text, "/home/me").value();
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_origin_alone_is_its_own_mount) {
  BOOST_TEST((parsed("/lustre/set") == StageSpec{"/lustre/set", "/lustre/set"}));
  BOOST_TEST(parsed("/lustre/set/").mount == "/lustre/set");
}

BOOST_AUTO_TEST_CASE(a_relative_path_is_below_the_working_directory) {
  BOOST_TEST((parsed("set") == StageSpec{"/home/me/set", "/home/me/set"}));
  BOOST_TEST(parsed("./a/../set").mount == "/home/me/set");
  BOOST_TEST(parsed("./a/../set").origin == "/home/me/./a/../set", "links are the kernel's to resolve");
}

BOOST_AUTO_TEST_CASE(a_manifest_is_named_by_its_address_or_path) {
  BOOST_TEST((parsed("manifest:files=/data") == StageSpec{"manifest:/home/me/files", "/data"}));
  BOOST_TEST((parsed("manifest:/a/files=/data") == StageSpec{"manifest:/a/files", "/data"}));
  BOOST_TEST((parsed("manifest:https://host/m=/data") == StageSpec{"manifest:https://host/m", "/data"}));
  BOOST_TEST(parsed("./manifest:files").origin == "/home/me/./manifest:files");
}

BOOST_AUTO_TEST_CASE(the_mount_stands_behind_the_last_equals_sign_before_a_slash) {
  BOOST_TEST((parsed("/lustre/set=/data") == StageSpec{"/lustre/set", "/data"}));
  BOOST_TEST((parsed("/lustre/dt=2024") == StageSpec{"/lustre/dt=2024", "/lustre/dt=2024"}));
  BOOST_TEST((parsed("/lustre/dt=2024=/data") == StageSpec{"/lustre/dt=2024", "/data"}));
}

BOOST_AUTO_TEST_CASE(an_escaped_equals_sign_is_part_of_the_path) {
  BOOST_TEST((parsed("/odd\\=/name") == StageSpec{"/odd=/name", "/odd=/name"}));
  BOOST_TEST((parsed("/back\\slash") == StageSpec{"/back\\slash", "/back\\slash"}));
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_back) {
  for (const auto& spec : {StageSpec{"/a b", "/c d"}, StageSpec{"/x=/y", "/x=/y"},
                           StageSpec{"/a=1/b=2", "/m=/n"}, StageSpec{"/tab\tnew\nline", "/\xff\xfe"}}) {
    BOOST_TEST((parse_stage(stage_text(spec), "/").value() == spec), stage_text(spec));
  }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_staged_is_refused) {
  for (const auto* text :
       {"", "=/data", "/", "/set=/", "s3://bucket", "manifest:=/x", "manifest:http://host/m"}) {
    BOOST_TEST((parse_stage(text, "/home/me").error().code == Code::bad_argument), text);
  }
  BOOST_TEST(!parse_stage("/" + std::string(2000, 'x'), "/").ok());
}

BOOST_AUTO_TEST_CASE(mounts_may_nest_and_are_never_the_same) {
  BOOST_TEST(check_stages(std::vector<StageSpec>{{"/a", "/m"}, {"/b", "/mm"}}).ok());
  BOOST_TEST(!check_stages(std::vector<StageSpec>{{"/a", "/m"}, {"/b", "/m"}}).ok());
  BOOST_TEST(check_stages(std::vector<StageSpec>{{"/a", "/m"}, {"/b", "/m/n"}}).ok());
  BOOST_TEST(check_stages(std::vector<StageSpec>{{"/a", "/m"}, {"/a", "/n"}}).ok());
}
