"""Memory of batches, and ``madvise`` calls before they are filled."""

import mmap
import os

import pytest
import torch

from hybrid_pde.data.windows import batch_memory
from hybrid_pde.data.windows.batch_memory import announce, empty_batch, stacked


def test_empty_batch_has_the_shape_and_is_written_like_any_tensor():
    batch = empty_batch((3, 2, 5))
    batch.copy_(torch.arange(30.0).view(3, 2, 5))
    assert batch.dtype == torch.float32
    assert torch.equal(batch, torch.arange(30.0).view(3, 2, 5))
    assert empty_batch((0, 4)).shape == (0, 4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_stacked_is_torch_stack(dtype):
    source = torch.arange(24, dtype=dtype).view(4, 6)
    views = [source[2], source[0, :], source.flip(1)[3]]
    assert stacked(views).dtype == dtype
    assert torch.equal(stacked(views), torch.stack(views))


def test_announce_names_whole_pages_of_each_view(monkeypatch):
    calls = []

    class Recorded:
        @staticmethod
        def madvise(address, length, advice):
            calls.append((address.value, length.value, advice))

    monkeypatch.setattr(batch_memory, "_LIBC", Recorded)
    source = torch.zeros(10, mmap.PAGESIZE)  # four pages per row
    view, scattered = source[3:5], source[:, 7]
    announce([view, scattered, torch.zeros(1).expand(8)])
    [(begin, length, advice)] = calls
    assert begin % mmap.PAGESIZE == 0 and begin <= view.data_ptr() < begin + mmap.PAGESIZE
    assert begin + length == view.data_ptr() + view.nbytes
    assert advice == mmap.MADV_WILLNEED


def test_announce_names_pages_that_several_views_share_once(monkeypatch):
    calls = []

    class Recorded:
        @staticmethod
        def madvise(address, length, advice):
            calls.append((address.value, length.value))

    monkeypatch.setattr(batch_memory, "_LIBC", Recorded)
    source = torch.zeros(100, mmap.PAGESIZE // 16)  # four rows a page
    announce([source[row] for row in (51, 3, 2, 6, 50)])
    (begin, length), (other, _) = calls
    assert begin + length == source[7].data_ptr()
    assert source[51].data_ptr() - 2 * mmap.PAGESIZE < other <= source[50].data_ptr()


def test_announce_leaves_values_of_a_mapped_file_as_they_are(tmp_path):
    path = tmp_path / "values.bin"
    values = torch.rand(64, 1000)
    path.write_bytes(values.numpy().tobytes())
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    mapped = torch.from_file(str(path), shared=False, size=values.numel()).view(64, 1000)
    announce([mapped[10:20], mapped[63]])
    assert torch.equal(mapped, values)
