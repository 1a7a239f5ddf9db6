"""`onedatarestfsspec`: the file system, and pandas, pyarrow and zarr on top of it."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import fsspec
import numpy
import pandas
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import pytest
import zarr
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from onedatafilerestclient.errors import OnedataRESTError
from onedatarestfsspec import OnedataFileSystem
from place import Place

ROWS = 10_000


@pytest.fixture
def options(place: Place) -> dict[str, Any]:
    """What every library hands on to the file system."""
    return {"onezone_host": place.host, "token": place.token, "verify_ssl": place.ca_file}


@pytest.fixture
def fs(options: dict[str, Any]) -> OnedataFileSystem:
    return OnedataFileSystem(**options, skip_instance_cache=True)


def url(place: Place, name: str) -> str:
    """The host in it says nothing; the options do."""
    return f"onedata://{place.host}/{place.full(name)}"


@pytest.fixture
def table() -> pandas.DataFrame:
    """Numbers, texts, times and a gap."""
    random = numpy.random.default_rng(7)
    return pandas.DataFrame(
        {
            "id": numpy.arange(ROWS),
            "value": random.normal(size=ROWS),
            "name": [f"żółw {n % 100}" for n in range(ROWS)],
            "when": pandas.date_range("2026-01-01", periods=ROWS, freq="s"),
            "gap": [None if n % 3 else float(n) for n in range(ROWS)],
        }
    )


# -- the file system -------------------------------------------------------------------------------------


def test_the_top_lists_spaces(fs: OnedataFileSystem, place: Place) -> None:
    assert place.space in fs.ls("")
    assert {"name": place.space, "type": "directory", "size": 0} in fs.ls("", detail=True)


def test_what_is_written_is_read(fs: OnedataFileSystem, place: Place) -> None:
    path = place.full("a/b/f")  # directories on the way are made
    with fs.open(path, "wb") as file:
        assert file.write(b"0123456789") == 10
    with fs.open(path, "rb") as file:
        assert (file.read(3), file.seek(8), file.read(), file.size) == (b"012", 8, b"89", 10)
    assert fs.cat(path) == b"0123456789"
    assert place.get("a/b/f") == b"0123456789"


def test_large_files_go_in_blocks(fs: OnedataFileSystem, place: Place) -> None:
    content = os.urandom(13 << 20)
    with fs.open(place.full("big"), "wb") as file:
        for start in range(0, len(content), 3 << 20):
            file.write(content[start : start + (3 << 20)])
    with fs.open(place.full("big"), "rb") as file:
        file.seek(6 << 20)
        assert file.read(1000) == content[6 << 20 : (6 << 20) + 1000]
    assert fs.cat(place.full("big")) == content


def test_what_exists_is_not_opened_for_writing_again(fs: OnedataFileSystem, place: Place) -> None:
    """This client creates before it writes, so it neither overwrites nor appends."""
    fs.pipe(place.full("f"), b"old")
    for mode in ("wb", "ab"):
        with pytest.raises(OnedataRESTError, match="eexist"), fs.open(place.full("f"), mode) as file:
            file.write(b"new")
    assert fs.cat(place.full("f")) == b"old"


def test_what_is_missing_is_told_so(fs: OnedataFileSystem, place: Place) -> None:
    path = place.full("nothing")
    for call in (fs.info, fs.ls, fs.cat_file, fs.rm_file, fs.rmdir):
        with pytest.raises(FileNotFoundError):
            call(path)
    assert not fs.exists(path)
    assert (fs.isfile(path), fs.isdir(path), fs.modified(path)) == (False, False, None)


def test_info_tells_type_size_time_and_mode(fs: OnedataFileSystem, place: Place) -> None:
    fs.pipe(place.full("d/f"), b"12345")
    told = fs.info(place.full("d/f"))
    assert (told["type"], told["size"], told["mode"]) == ("file", 5, "664")
    assert told["mtime"] == fs.modified(place.full("d/f")) > 0
    assert fs.info(place.full("d"))["type"] == "directory"
    assert (fs.isdir(place.full("d")), fs.isfile(place.full("d/f")), fs.size(place.full("d/f"))) == (
        True,
        True,
        5,
    )


def test_ls_tells_all_of_a_directory(fs: OnedataFileSystem, place: Place) -> None:
    fs.pipe({place.full("x/b"): b"1", place.full("x/a"): b"22", place.full("x/c/d"): b"333"})
    assert fs.ls(place.full("x")) == [place.full(f"x/{name}") for name in "abc"]
    detail = fs.ls(place.full("x"), detail=True)
    assert [(each["type"], each["size"]) for each in detail[:2]] == [("file", 2), ("file", 1)]
    assert detail[2]["type"] == "directory"


@pytest.fixture
def tree(fs: OnedataFileSystem, place: Place) -> str:
    """A directory with files at three levels."""
    files = ("one.csv", "two.txt", "sub/three.csv", "sub/deep/four.csv", "other/five.txt")
    fs.pipe({place.full(f"tree/{name}"): name.encode() for name in files})
    return place.full("tree")


def test_walk_find_and_glob_see_the_tree(fs: OnedataFileSystem, tree: str) -> None:
    walked = {root: (sorted(dirs), sorted(files)) for root, dirs, files in fs.walk(tree)}
    assert walked[tree] == (["other", "sub"], ["one.csv", "two.txt"])
    assert walked[f"{tree}/sub/deep"] == ([], ["four.csv"])
    assert len(fs.find(tree)) == 5
    assert f"{tree}/sub" in fs.find(tree, withdirs=True)
    assert fs.find(tree, maxdepth=1) == [f"{tree}/one.csv", f"{tree}/two.txt"]
    assert fs.glob(f"{tree}/*.csv") == [f"{tree}/one.csv"]
    assert fs.glob(f"{tree}/**/*.csv") == sorted(
        f"{tree}/{name}" for name in ("one.csv", "sub/three.csv", "sub/deep/four.csv")
    )
    assert fs.du(tree) == sum(
        map(len, ("one.csv", "two.txt", "sub/three.csv", "sub/deep/four.csv", "other/five.txt"))
    )


def test_ranges_of_several_files_are_read(fs: OnedataFileSystem, tree: str) -> None:
    paths = [f"{tree}/one.csv", f"{tree}/sub/three.csv"]
    assert fs.cat_ranges(paths, [0, 4], [3, 9]) == [b"one", b"three"]
    assert fs.cat_file(paths[0], start=2) == b"e.csv"
    assert fs.cat_file(paths[0], end=3) == b"one"
    assert fs.cat_file(paths[0], start=3, end=3) == b""
    assert fs.cat(paths) == {paths[0]: b"one.csv", paths[1]: b"sub/three.csv"}
    assert fs.head(paths[0], 3) == b"one"
    assert fs.tail(paths[0], 3) == b"csv"
    assert fs.read_block(paths[0], 1, 4) == b"ne.c"


def test_files_are_copied_and_moved(fs: OnedataFileSystem, tree: str) -> None:
    fs.cp(f"{tree}/one.csv", f"{tree}/copy.csv")
    fs.mv(f"{tree}/two.txt", f"{tree}/sub/moved.txt")
    assert fs.cat(f"{tree}/copy.csv") == b"one.csv"
    assert fs.cat(f"{tree}/sub/moved.txt") == b"two.txt"
    assert not fs.exists(f"{tree}/two.txt")
    assert fs.exists(f"{tree}/one.csv")


def test_trees_are_uploaded_and_downloaded(fs: OnedataFileSystem, place: Place, tmp_path: Path) -> None:
    (tmp_path / "up/sub").mkdir(parents=True)
    (tmp_path / "up/a").write_bytes(b"a" * 1000)
    (tmp_path / "up/sub/b c").write_bytes(b"b")
    fs.put(f"{tmp_path}/up", place.full("up"), recursive=True)
    fs.get(place.full("up"), f"{tmp_path}/down", recursive=True)
    assert (tmp_path / "down/a").read_bytes() == b"a" * 1000
    assert (tmp_path / "down/sub/b c").read_bytes() == b"b"


def test_files_and_trees_are_removed(fs: OnedataFileSystem, tree: str) -> None:
    """`rm` of this client takes files, one or several; `rmdir` takes a directory with all in it."""
    fs.rm([f"{tree}/one.csv", f"{tree}/two.txt"])
    assert fs.ls(tree) == [f"{tree}/other", f"{tree}/sub"]
    with pytest.raises(IsADirectoryError):
        fs.rm_file(f"{tree}/sub")
    with pytest.raises(NotADirectoryError):
        fs.rmdir(f"{tree}/sub/three.csv")
    fs.rmdir(f"{tree}/sub")
    assert fs.ls(tree) == [f"{tree}/other"]


def test_directories_are_made(fs: OnedataFileSystem, place: Place) -> None:
    fs.makedirs(place.full("a/b/c"))
    fs.makedirs(place.full("a/b/c"), exist_ok=True)
    assert fs.isdir(place.full("a/b/c"))
    with pytest.raises(OnedataRESTError, match="eexist"):
        fs.makedirs(place.full("a/b/c"))


@pytest.mark.parametrize("name", ["a b", "żółć 🦉", "a+b&c=d;e", "it's [odd]"])
def test_odd_names_work(fs: OnedataFileSystem, place: Place, name: str) -> None:
    fs.pipe(place.full(name), b"x")
    assert fs.ls(f"{place.space}/{place.path}") == [place.full(name)]
    assert fs.cat_file(place.full(name)) == b"x"


def test_text_lines_come_through_fsspec_open(place: Place, options: dict[str, Any]) -> None:
    with fsspec.open(url(place, "t.txt"), "wt", encoding="utf-8", **options) as file:
        file.writelines(["jeden\n", "zażółć\n"])
    with fsspec.open(url(place, "t.txt"), "rt", encoding="utf-8", **options) as file:
        assert list(file) == ["jeden\n", "zażółć\n"]


def test_compression_and_local_caches_stack_on_top(
    place: Place, options: dict[str, Any], tmp_path: Path
) -> None:
    with fsspec.open(url(place, "z.gz"), "wb", compression="gzip", **options) as file:
        file.write(b"compressed" * 1000)
    assert len(place.get("z.gz")) < 1000
    cached = fsspec.open(
        f"simplecache::{url(place, 'z.gz')}",
        compression="gzip",
        onedata=options,
        simplecache={"cache_storage": str(tmp_path)},
    )
    with cached as file:
        assert file.read() == b"compressed" * 1000


# -- pandas and pyarrow ----------------------------------------------------------------------------------


def test_pandas_writes_and_reads_csv(place: Place, options: dict[str, Any], table: pandas.DataFrame) -> None:
    table.to_csv(url(place, "t.csv"), index=False, storage_options=options)
    read = pandas.read_csv(url(place, "t.csv"), parse_dates=["when"], storage_options=options)
    pandas.testing.assert_frame_equal(read, table, check_dtype=False)
    pieces = pandas.read_csv(url(place, "t.csv"), chunksize=3000, storage_options=options)
    assert [len(piece) for piece in pieces] == [3000, 3000, 3000, 1000]


def test_pandas_writes_and_reads_parquet(
    place: Place, options: dict[str, Any], table: pandas.DataFrame
) -> None:
    table.to_parquet(url(place, "t.parquet"), storage_options=options)
    read = pandas.read_parquet(url(place, "t.parquet"), storage_options=options)
    pandas.testing.assert_frame_equal(read, table)
    some = pandas.read_parquet(url(place, "t.parquet"), columns=["id"], storage_options=options)
    assert list(some) == ["id"]


def test_pandas_writes_and_reads_json_lines(
    place: Place, options: dict[str, Any], table: pandas.DataFrame
) -> None:
    table[["id", "name"]].to_json(url(place, "t.json"), orient="records", lines=True, storage_options=options)
    read = pandas.read_json(url(place, "t.json"), lines=True, storage_options=options)
    pandas.testing.assert_frame_equal(read, table[["id", "name"]], check_dtype=False)


def test_pyarrow_reads_row_groups_by_range(
    fs: OnedataFileSystem, place: Place, table: pandas.DataFrame
) -> None:
    stored = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pandas(table), stored, row_group_size=1000)
    place.put("t.parquet", stored.getvalue())
    with fs.open(place.full("t.parquet"), "rb") as file:
        parquet = pyarrow.parquet.ParquetFile(file)
        assert parquet.num_row_groups == 10
        assert parquet.read_row_group(3, columns=["id"])["id"].to_pylist() == list(range(3000, 4000))


def test_a_dataset_of_partitions_is_written_and_filtered(
    fs: OnedataFileSystem, place: Place, table: pandas.DataFrame
) -> None:
    partitioned = pyarrow.Table.from_pandas(table.assign(part=table["id"] % 4))
    pyarrow.dataset.write_dataset(
        partitioned, place.full("set"), filesystem=fs, format="parquet", partitioning=["part"],
        partitioning_flavor="hive", existing_data_behavior="overwrite_or_ignore",
    )  # fmt: skip
    dataset = pyarrow.dataset.dataset(place.full("set"), filesystem=fs, partitioning="hive")
    assert len(dataset.files) == 4
    found = dataset.to_table(filter=pyarrow.dataset.field("part") == 3, columns=["id"])
    assert sorted(found["id"].to_pylist()) == [n for n in range(ROWS) if n % 4 == 3]


# -- zarr ------------------------------------------------------------------------------------------------


@pytest.fixture
def store(fs: OnedataFileSystem, place: Place) -> zarr.storage.FsspecStore:
    """A store of zarr in the test's directory."""
    return zarr.storage.FsspecStore(AsyncFileSystemWrapper(fs, asynchronous=True), path=place.full("z"))


def test_zarr_writes_and_reads_an_array_in_chunks(store: zarr.storage.FsspecStore, place: Place) -> None:
    values = numpy.arange(10_000, dtype="int32").reshape(100, 100)
    array = zarr.create_array(store, name="a", shape=values.shape, chunks=(25, 50), dtype=values.dtype)
    array[:] = values
    again = zarr.open_array(store, path="a", mode="r")
    assert numpy.array_equal(again[:], values)
    assert numpy.array_equal(again[30:40, 45:55], values[30:40, 45:55])
    assert len(place.names("z/a/c")) == 4


def test_zarr_groups_have_arrays_and_attributes(store: zarr.storage.FsspecStore) -> None:
    group = zarr.create_group(store, attributes={"title": "żółw"})
    group.create_array("x", data=numpy.linspace(0, 1, 1000), chunks=(100,))
    group.create_group("deeper").create_array("y", data=numpy.ones((3, 3)))
    again = zarr.open_group(store, mode="r")
    assert again.attrs["title"] == "żółw"
    assert sorted(again.array_keys()) == ["x"]
    assert sorted(again.group_keys()) == ["deeper"]
    assert again["deeper/y"][:].sum() == 9
    assert numpy.array_equal(again["x"][:], numpy.linspace(0, 1, 1000))
