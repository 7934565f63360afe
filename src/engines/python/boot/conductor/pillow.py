"""What Pillow says of formats that it was built without."""

import sys

#: What is there, with an example.
INSTEAD = "PNG, GIF, TIFF and BMP are, for example image.save('picture.png')"

#: Formats whose code is not there at all, so that Pillow does not know their names.
UNKNOWN = ("webp", "avif", "jp2", "jpeg2000")


def without_codec(function):
    """A function that looks a codec up, with an error that says what is there."""

    def looking(mode, name, args, extra=()):
        try:
            return function(mode, name, args, extra)
        except OSError as error:
            if str(error).endswith("not available"):
                raise OSError(f"{str(name).upper()} is not available here: {INSTEAD}") from None
            raise

    return looking


def without_format(function):
    """Image.save, with an error that says what is there."""

    def save(self, fp, format=None, **params):
        try:
            return function(self, fp, format, **params)
        except (ValueError, KeyError) as error:
            name = str(error.args[0] if error.args else "").rpartition(".")[2].lower()
            if name in UNKNOWN:
                raise OSError(f"{name.upper()} is not available here: {INSTEAD}") from None
            raise

    save.__doc__ = function.__doc__
    return save


def install() -> None:
    """Patches it, if it is there."""
    image = sys.modules.get("PIL.Image")
    if image is not None:
        image._getencoder, image._getdecoder = without_codec(image._getencoder), without_codec(image._getdecoder)
        image.Image.save = without_format(image.Image.save)
