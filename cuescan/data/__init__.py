"""From images and weak labels to nnU-Net raw data sets."""
