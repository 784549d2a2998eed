// What goes over a session's socket: SOCK_SEQPACKET, one message a packet, little endian, versioned.
//
// A client connects, sends one request, reads replies until `done` or `failed`, closes. Both sides check the
// other's uid (SO_PEERCRED). `working` replies come at least every kWorkingEveryMs while a request makes
// progress: silence for longer than kSilenceMs means that the server hangs, and the client goes on alone.
#pragma once

#include <stdint.h>

#include "shared/checkpoint_layout.hpp"

namespace forebay {

inline constexpr uint32_t kMessageMagic = 0x59424246;  // "FBBY"
inline constexpr uint16_t kMessageVersion = 3;
inline constexpr uint32_t kMessageBytesMax = 64 << 10;
inline constexpr uint32_t kWorkingEveryMs = 500;
inline constexpr uint32_t kSilenceMs = 2000;

enum class MessageKind : uint16_t {
  // Requests.
  materialise = 1,  // MaterialiseRequest: make the whole object local. done: MaterialiseReply + one
                    // descriptor (O_RDONLY)
  invalidate = 2,   // InvalidateRequest: no node serves these any more. done: bare header
  admin = 3,  // JSON text behind the header. Replies: `text` packets (pieces of one JSON text), then done or
              // failed
  stripe =
      4,  // StripeRequest: make one stripe local (partial mode). done: bare header, its state word is present
  checkpoint_bring = 5,  // CheckpointRequest: make a name of a checkpoint's tree usable. done: bare header
  checkpoint_note = 6,   // CheckpointRequest: the journal has grown up to `seq`. done: all nodes know
  checkpoint_sync = 7,   // CheckpointRequest: keep what the file has now as the mount's FsyncMode says. done: it is kept
  changed = 8,  // ChangedQuestion: which version of this object, of a store, is read. done: bare header, the
                // session says it (changed_layout.hpp)
  // Replies.
  working = 100,  // bare header
  done = 101,
  failed = 102,  // FailedReply
  text = 103,
};

struct MessageHeader {
  uint32_t magic;
  uint16_t version;
  uint16_t kind;        // MessageKind
  uint32_t body_bytes;  // what follows the header in this packet
  uint32_t reserved;
};

// The buffer's file of the object is not what was put there (another size, inode or seal): the server drops
// it, counts the damage and brings the object anew.
inline constexpr uint32_t kMaterialiseDamaged = 1;
struct MaterialiseRequest {
  MessageHeader header;
  uint32_t dataset;
  uint32_t entry;
  uint32_t flags;  // 0 or kMaterialiseDamaged
  uint32_t reserved;
};

struct StripeRequest {
  MessageHeader header;
  uint32_t dataset;
  uint32_t entry;
  uint32_t stripe;      // counted from 0 in the object
  uint32_t read_ahead;  // so many stripes behind it are wanted soon
};

// Of checkpoint_bring: what is to be done with the path.
enum class CheckpointBring : uint32_t {
  list = 0,       // a directory: put in it what the destination has there
  list_all = 1,   // and in all directories below it
  content = 2,    // a placeholder: make it the file
  truncate = 3,   // a placeholder: make it an empty file with its attributes
  direct = 4,     // a new file: may it be made at the destination, without the tree? Its directory is there then
  look = 5,       // what the destination has at the path now, made without the tree: a placeholder for it
};
struct CheckpointRequest {
  MessageHeader header;  // body_bytes: up to the path's end
  uint32_t checkpoint;   // of ControlPage::checkpoints
  uint32_t what;         // CheckpointBring; else 0
  uint64_t seq;          // checkpoint_note
  uint32_t path_bytes;   // note: 0 and no path
  uint32_t reserved;
  char path[kTreePathBytesMax];  // relative to the tree, physical
};

struct ChangedQuestion {
  MessageHeader header;
  uint32_t dataset;
  uint32_t entry;
};

enum class HitKind : uint32_t { local = 0, peer = 1, origin = 2 };

struct MaterialiseReply {
  MessageHeader header;
  uint32_t hit;  // HitKind
  uint32_t reserved;
};

enum class InvalidateScope : uint32_t {
  entry = 0,    // this entry alone (a directory: its attributes and its listing)
  subtree = 1,  // this entry and all below it
};
inline constexpr uint32_t kInvalidatesMax = 8;
struct InvalidateItem {
  uint32_t dataset;
  uint32_t entry;
  uint32_t scope;  // InvalidateScope
};
struct InvalidateRequest {
  MessageHeader header;
  uint32_t count;
  uint32_t reserved;
  InvalidateItem items[kInvalidatesMax];
};

struct FailedReply {
  MessageHeader header;
  uint32_t errno_value;  // never 0
  uint32_t reserved;
  char text[240];  // NUL-terminated
};

}  // namespace forebay
