"""Pictures and videos: round trips, upright frames, exact rates, and bad files."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reenact_jax import media
from tests.helpers.timed_video import display_clockwise, write_timed_video

pytest.importorskip("av")


def gradient(height: int = 48, width: int = 64) -> np.ndarray:
    """A picture in which every direction and channel is told apart."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 255 // height, columns * 255 // width, rows * 0 + 60], -1).astype(
        np.uint8
    )


def write_video(path: Path, frames: list[np.ndarray], fps: Fraction | int = 25) -> Path:
    with media.VideoWriter(path, fps) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def test_png_keeps_every_pixel_and_jpeg_nearly(tmp_path):
    image = gradient()
    media.write_image(tmp_path / "a.png", image)
    media.write_image(tmp_path / "a.jpg", image)
    np.testing.assert_array_equal(media.read_image(tmp_path / "a.png"), image)
    # Quality 95 without colour subsampling: a few grey levels.
    difference = np.abs(media.read_image(tmp_path / "a.jpg").astype(int) - image)
    assert 0 < difference.max() < 12


def test_exif_orientation_is_applied(tmp_path):
    image = gradient()
    stored = Image.fromarray(np.rot90(image))  # orientation 6: turn clockwise to see it upright
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(tmp_path / "phone.png", exif=exif)
    np.testing.assert_array_equal(media.read_image(tmp_path / "phone.png"), image)


def test_grey_and_transparent_pictures_become_rgb(tmp_path):
    Image.new("LA", (5, 4), (70, 255)).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(
        media.read_image(tmp_path / "grey.png"), np.full((4, 5, 3), 70, np.uint8)
    )


@pytest.mark.parametrize("content", [b"", b"hello", "truncated"], ids=["empty", "text", "cut"])
def test_a_bad_picture_is_named(tmp_path, content):
    path = tmp_path / "bad.png"
    if content == "truncated":
        media.write_image(path, np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
        content = path.read_bytes()[:3000]
    path.write_bytes(content)
    with pytest.raises(media.MediaError, match=r"bad\.png: not a readable picture"):
        media.read_image(path)


def test_missing_files_and_folders_are_named(tmp_path):
    for read in (media.read_image, media.probe_video, lambda path: list(media.iterate_video(path))):
        with pytest.raises(media.MediaError, match="gone: no such file"):
            read(tmp_path / "gone")
        with pytest.raises(media.MediaError, match="found a folder"):
            read(tmp_path)


def test_writing_a_picture_leaves_no_other_file_behind(tmp_path):
    with pytest.raises(media.MediaError, match="suffixes"):
        media.write_image(tmp_path / "a.txt", gradient())
    with pytest.raises(ValueError, match="expected uint8"):
        media.write_image(tmp_path / "a.png", gradient() / 255.0)
    with pytest.raises(media.MediaError, match="cannot be written"):
        media.write_image(tmp_path / "no_folder" / "a.png", gradient())
    assert list(tmp_path.iterdir()) == []
    media.write_image(tmp_path / "a.png", gradient())
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(15, 2)], ids=str)
def test_video_round_trip_keeps_frames_and_rational_rate(tmp_path, fps):
    frames = [np.roll(gradient(), 4 * k, axis=1) for k in range(7)]
    path = write_video(tmp_path / "a.mp4", frames, fps)
    info = media.probe_video(path)
    assert (info.fps, info.height, info.width, info.rotation) == (fps, 48, 64, 0)
    assert info.num_frames == 7
    read = list(media.iterate_video(path))
    assert len(read) == 7
    for frame, original in zip(read, frames, strict=True):
        assert frame.dtype == np.uint8
        # Lossy, with halved colour resolution: close on average. A frame off by one, a flip or
        # exchanged channels differ by more than 8.
        assert np.abs(frame.astype(int) - original).mean() < 4
    assert np.abs(read[0].astype(int) - frames[1]).mean() > 8


def test_a_stride_picks_every_so_many_th_frame(tmp_path):
    path = write_video(tmp_path / "a.mp4", [np.roll(gradient(), 4 * k, axis=1) for k in range(8)])
    every = list(media.iterate_video(path))
    np.testing.assert_array_equal(list(media.iterate_video(path, stride=3)), every[::3])


@pytest.mark.parametrize("clockwise", [90, 180, 270])
def test_display_rotation_is_applied(tmp_path, clockwise):
    path = write_video(tmp_path / "phone.mp4", [gradient()] * 2)
    stored = next(media.iterate_video(path))
    display_clockwise(path, clockwise)
    upright = next(media.iterate_video(path))
    np.testing.assert_array_equal(upright, np.rot90(stored, -clockwise // 90))
    info = media.probe_video(path)
    assert (info.height, info.width) == upright.shape[:2]
    assert info.rotation == 360 - clockwise


@pytest.mark.parametrize(
    "content", [b"", b"not a video at all", "cut"], ids=["empty", "text", "cut"]
)
def test_a_bad_video_is_named(tmp_path, content):
    path = tmp_path / "bad.mp4"
    if content == "cut":
        content = write_video(path, [gradient()] * 3).read_bytes()[:600]
    path.write_bytes(content)
    for read in (media.probe_video, lambda path: list(media.iterate_video(path))):
        with pytest.raises(media.MediaError, match=r"bad\.mp4: not a readable video"):
            read(path)


def test_a_video_without_frames_is_refused(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "empty.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    for read in (media.probe_video, lambda path: list(media.iterate_video(path))):
        with pytest.raises(media.MediaError, match="the video has no frames"):
            read(path)


def test_a_file_with_sound_alone_is_refused(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        silence.rate = 8000
        container.mux(stream.encode(silence))
    with pytest.raises(media.MediaError, match="no video stream"):
        media.probe_video(path)


def test_an_interrupted_writer_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), media.VideoWriter(path, 25) as writer:
        writer.write(gradient())
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frame was written"),
        ([gradient(47, 64)], "even height and width"),
        ([gradient(), gradient(64, 64)], "expected frames of shape"),
        ([gradient() / 255.0], "expected uint8"),
    ],
    ids=["none", "odd", "other size", "float"],
)
def test_frames_that_do_not_make_a_video_leave_no_file(tmp_path, frames, message):
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / "a.mp4", frames)
    assert list(tmp_path.iterdir()) == []


def test_the_writer_names_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(media.MediaError, match="cannot be written"):
        write_video(tmp_path / "gone" / "a.mp4", [gradient()])
    with pytest.raises(media.MediaError, match=r"suffix \.mp4"):
        media.VideoWriter(tmp_path / "a.avi", 25)


def moving(count: int) -> list[np.ndarray]:
    """Frames with detail enough that every one takes some hundred bytes."""
    rng = np.random.default_rng(0)
    base = np.kron(rng.integers(0, 255, (12, 16, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    noise = rng.integers(0, 255, (count, 24, 24, 3), np.uint8)
    frames = [np.roll(base, 3 * k, axis=1) for k in range(count)]
    for frame, patch in zip(frames, noise, strict=True):
        frame[:24, :24] = patch
    return frames


def test_a_damaged_frame_in_the_middle_is_named(tmp_path):
    path = write_video(tmp_path / "bad.mp4", moving(40))
    whole = path.read_bytes()
    first, last = whole.index(b"mdat") + 8, whole.index(b"moov")
    errors = []
    for start in np.linspace(first + 4000, last - 4000, 9).astype(int):
        for length in (50, 600):
            path.write_bytes(whole[:start] + bytes(length) + whole[start + length :])
            try:
                # Some damage no decoder can see: the bits say something else, but they say it.
                assert len(list(media.iterate_video(path))) == 40
            except media.MediaError as error:
                errors.append(str(error))
    for error in errors:
        assert "bad.mp4: frame " in error
    # Frames that the decoder gives up, and frames that it patches up.
    assert any("cannot be decoded" in error for error in errors)
    assert any("is damaged" in error for error in errors)


def test_a_video_that_was_not_copied_whole_is_named(tmp_path):
    av = pytest.importorskip("av")
    whole = write_video(tmp_path / "whole.mp4", moving(40))
    path = tmp_path / "cut.mp4"
    # With the index in front the file opens, however little of it is there.
    with (
        av.open(str(whole)) as source,
        av.open(str(path), "w", options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert len(list(media.iterate_video(path))) == 40
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(media.MediaError, match=r"cut\.mp4: .*(breaks off after|damaged|decoded)"):
        list(media.iterate_video(path))


def test_times_of_frames_are_those_of_the_file(tmp_path):
    milliseconds = [0, 33, 67, 150, 400]
    path = write_timed_video(tmp_path / "a.mp4", moving(5), milliseconds)
    seconds = [time for time, _ in media.iterate_timed_video(path)]
    np.testing.assert_allclose(np.subtract(seconds, seconds[0]) * 1000, milliseconds, atol=0.5)
    seconds = [time for time, _ in media.iterate_timed_video(path, stride=2)]
    np.testing.assert_allclose(np.subtract(seconds, seconds[0]) * 1000, milliseconds[::2], atol=0.5)


def test_a_constant_rate_shows_every_frame_once():
    for fps in (Fraction(25), Fraction(30000, 1001), Fraction(25, 3)):
        exact = 7.5 + np.arange(40) / float(fps)
        for seconds in (exact, np.round(exact, 3), exact[:1]):  # some containers count in ms
            shown, rate = media.constant_rate(seconds, fps)
            np.testing.assert_array_equal(shown, np.arange(len(seconds)))
            assert rate == fps


def test_a_variable_rate_becomes_the_usual_one_and_keeps_the_duration():
    rng = np.random.default_rng(0)
    seconds = np.cumsum(np.where(rng.random(300) < 0.2, 3, 1) * (1001 / 30000))
    shown, rate = media.constant_rate(seconds, Fraction(20))
    assert rate == Fraction(30000, 1001)
    ticks = seconds[0] + np.arange(len(shown)) / float(rate)
    assert abs(ticks[-1] - seconds[-1]) <= 0.5 / float(rate)
    # What is shown is the nearest picture in time, by looking at all of them.
    nearest = np.abs(seconds - ticks[:, None]).min(axis=1)
    np.testing.assert_allclose(np.abs(seconds[shown] - ticks), nearest, atol=1e-9)
    assert (np.diff(shown) >= 0).all()
