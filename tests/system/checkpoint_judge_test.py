"""The judge finds each way in which a destination can be wrong, and nothing in one that is right."""
import json
import os
import tempfile
import unittest

import checkpoint_judge as judge
import checkpoint_record as records

SUM = {name: records.sum_of_bytes(name.encode()) for name in ("old", "new", "half")}


class Judge(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.record = records.Record(os.path.join(self.place.name, "record"))
        self.destination = os.path.join(self.place.name, "destination")
        os.mkdir(self.destination)
        self.t = 0

    def tearDown(self):
        self.place.cleanup()

    def put(self, path, content):
        os.makedirs(os.path.dirname(os.path.join(self.destination, path)), exist_ok=True)
        with open(os.path.join(self.destination, path), "w", encoding="utf-8") as file:
            file.write(content)

    def acts(self):
        return records.read(os.path.join(self.place.name, "record"))

    def end(self):
        return judge.judge_end(self.acts(), self.destination)

    def seen(self, *events):
        later = self.acts()[-1]["t"] + 1
        return judge.judge_observations(self.acts(), [{"t": later, "size": 0, **event} for event in events])

    def test_what_is_right_is_not_blamed(self):
        self.record.file("d/file", SUM["old"])
        self.record.file("d/file", SUM["new"])
        self.record.file("d/gone", SUM["old"])
        self.record.removed("d/gone")
        self.put("d/file", "new")
        self.assertEqual(self.end(), [])
        self.assertEqual(self.seen({"saw": "file", "path": "d/file", "sum": SUM["old"][0]},
                                   {"saw": "file", "path": "d/file", "sum": SUM["new"][0]}), [])

    def test_missing_other_and_removed_files_are_found(self):
        for name in ("missing", "other", "removed"):
            self.record.file(name, SUM["new"])
        self.record.removed("removed")
        self.put("other", "half")
        self.put("removed", "new")
        self.put(".other.forebay-0123456789abcdef", "")
        self.assertEqual(len(self.end()), 4)

    def test_half_of_a_file_is_found(self):
        self.record.file("file", SUM["new"])
        self.assertEqual(len(self.seen({"saw": "file", "path": "file", "sum": SUM["half"][0]})), 1)

    def test_a_marker_before_its_files_is_found(self):
        self.record.file("d/a", SUM["new"])
        self.record.file("d/b", SUM["new"])
        self.record.will_mark("d/marker")
        self.record.file("d/later", SUM["new"])
        found = self.seen({"saw": "listing", "path": "d", "names": ["a", "marker"], "then": ["a", "marker"]})
        self.assertEqual(found, ["d/marker was seen without d/b, which was there before it"])
        self.assertEqual(self.seen({"saw": "listing", "path": "d", "names": ["marker"], "then": ["a", "b", "marker"]}), [])

    def test_half_of_a_renamed_directory_is_found(self):
        self.record.whole("d", ["a", "below/b"])
        self.assertEqual(len(self.seen({"saw": "listing", "path": "d", "names": [], "then": ["a"]})), 1)
        self.assertEqual(self.seen({"saw": "listing", "path": "d", "names": [], "then": ["a", "below"]}), [])
        self.record.will_remove("d")
        self.assertEqual(self.seen({"saw": "listing", "path": "d", "names": [], "then": ["a"]}), [])

    def test_a_pointer_to_what_is_not_complete_is_found(self):
        self.record.file("step-1/a", SUM["new"])
        self.record.will_point("latest", "step-1")
        right = {"a": SUM["new"][0]}
        self.assertEqual(self.seen({"saw": "pointer", "path": "latest", "to": "step-1", "found": right}), [])
        for wrong in ({"a": SUM["half"][0]}, {}):
            self.assertEqual(len(self.seen({"saw": "pointer", "path": "latest", "to": "step-1", "found": wrong})), 1)
        self.assertEqual(len(self.seen({"saw": "pointer", "path": "latest", "to": "step-9", "found": right})), 1)

    def test_a_line_that_was_cut_is_no_act(self):
        self.record.file("file", SUM["new"])
        with open(os.path.join(self.place.name, "record"), "a", encoding="utf-8") as file:
            file.write(json.dumps({"act": "file"})[:5])
        self.assertEqual(len(self.acts()), 1)


if __name__ == "__main__":
    unittest.main()
