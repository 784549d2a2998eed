// A listing by many threads: of a prefix with a million keys, where page after page would take minutes.
//
// The first page is taken alone. When there are more, idle threads cut what is left of the range that seems
// to be the largest, and list the part behind the cut. A part may turn out to be empty, which costs a request
// and narrows the other; that there are few of those is a rule: cuts are at most two a thread and one for two
// full pages.
#pragma once

#include <functional>

#include "common/result.hpp"
#include "s3/s3_bucket.hpp"

namespace forebay {

// S3Bucket::list(), or what behaves like it: called from many threads, pages in ascending order.
using ListPages =
    std::function<Status(const S3ListQuery& query, const std::function<Status(const ListPage& page)>& take)>;
// `is_prefix`: a common prefix, of which there is the key alone. Views are good during the call.
using TakeListed = std::function<Status(const ListedObject& object, bool is_prefix)>;

// Calls `take` on the calling thread, for each object and common prefix once, in ascending order, when all of
// them are in memory (some 30 bytes beside name and ETag for each). `threads`: at most so many requests at
// once, at least 1; they are started when there is a second page. The delimiter is none or "/". The first
// error ends all, as soon as the requests on their way have ended. Codes: those of `pages` and `take`,
// io_error (not in order).
Status list_in_parallel(const ListPages& pages, const S3ListQuery& query, unsigned threads,
                        const TakeListed& take);

}  // namespace forebay
