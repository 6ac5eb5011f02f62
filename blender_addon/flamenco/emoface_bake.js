// SPDX-License-Identifier: GPL-3.0-or-later

// A job type of Flamenco Manager: bake speaking faces, then render them if wanted. See README.md.

const JOB_TYPE = {
    label: "EmoFace Bake",
    description: "Animate speaking faces from their sound strips, or work off a list of bakes",
    settings: [
        // For artists to determine:
        { key: "object", type: "string", default: "", visible: "submission",
          description: "Only this face. Empty: every face, by the names of strips and channels" },
        { key: "output_file", type: "string", subtype: "file_path", required: true,
          eval: "str(abspath(Path(bpy.data.filepath).with_suffix('.emoface.blend')))",
          description: "The .blend file that the result is saved as" },
        { key: "preset", type: "string", subtype: "file_path", default: "", visible: "submission",
          description: "A preset that EmoFace exported. Empty: each face's own choices" },
        { key: "emotion", type: "string", default: "unchanged", visible: "submission",
          choices: ["unchanged", "auto", "neutral", "calm", "happy", "sad", "angry", "fearful",
                    "disgust", "surprised"],
          description: "The emotion of all faces" },
        { key: "frames", type: "string", default: "", visible: "submission",
          description: "Frames to render of the result, such as '1-250'. Empty: bake only" },
        { key: "chunk_size", type: "int32", default: 10, propargs: { min: 1 },
          visible: "submission", description: "Number of frames in one render task" },
        { key: "render_output", type: "string", subtype: "file_path", visible: "submission",
          eval: "str(abspath(Path(bpy.data.filepath).parent / 'render' / jobname / '######'))",
          description: "Where the frames go, if any are rendered" },

        // A list instead of the submitted file:
        { key: "jobs_file", type: "string", subtype: "file_path", default: "",
          visible: "submission",
          description: "A .json list or .csv table of bakes, instead of the submitted file" },
        { key: "tasks", type: "int32", default: 1, propargs: { min: 1, max: 1000 },
          visible: "submission",
          description: "In how many tasks the list is worked off; bakes of one file stay together" },

        // Results, so that a task that is done again does nothing twice:
        { key: "results_folder", type: "string", subtype: "dir_path", required: true,
          eval: "str(abspath(Path(bpy.data.filepath).parent / 'emoface-results' / jobname))",
          description: "Folder for the result file of each bake" },

        // Automatically evaluated settings:
        { key: "blendfile", type: "string", required: true, visible: "web",
          description: "Path of the Blend file" },
        { key: "scene", type: "string", eval: "C.scene.name", visible: "web",
          description: "Name of the scene to render" },
        { key: "format", type: "string", eval: "C.scene.render.image_settings.file_format",
          visible: "web", description: "File format of rendered frames" },
    ],
};

function compileJob(job) {
    const settings = job.settings;
    if (settings.jobs_file) {
        for (const task of listTasks(settings)) {
            job.addTask(task);
        }
        return;
    }
    const bake = bakeTask(settings);
    job.addTask(bake);
    for (const task of renderTasks(settings)) {
        task.addDependency(bake);
        job.addTask(task);
    }
}

// One task that bakes the submitted file and saves it under another name.
function bakeTask(settings) {
    if (!settings.output_file || !settings.output_file.endsWith(".blend")) {
        throw "EmoFace Bake: output_file must be the name of a .blend file";
    }
    const args = [
        "--all",
        "--save", settings.output_file,
        "--results", settings.results_folder,
    ];
    if (settings.object) {
        args.push("--object", settings.object);
    }
    if (settings.preset) {
        args.push("--preset", settings.preset);
    }
    if (settings.emotion && settings.emotion !== "unchanged") {
        args.push("--emotion", settings.emotion);
    }
    return emofaceTask(settings, "bake", args);
}

// Tasks that each work off a part of a list.
function listTasks(settings) {
    const count = settings.tasks || 1;
    const tasks = [];
    for (let part = 1; part <= count; part++) {
        tasks.push(emofaceTask(settings, `bake-${part}-of-${count}`, [
            "--jobs", settings.jobs_file,
            "--part", `${part}/${count}`,
            "--results", settings.results_folder,
        ]));
    }
    return tasks;
}

// Blender runs EmoFace's command on the file; its exit code is the task's.
function emofaceTask(settings, name, args) {
    const task = author.Task(name, "blender");
    task.addCommand(author.Command("blender-render", {
        exe: "{blender}",
        exeArgs: "{blenderArgs}",
        argsBefore: [],
        blendfile: settings.blendfile,
        args: ["--command", "emoface", "bake"].concat(args),
    }));
    return task;
}

function renderTasks(settings) {
    if (!settings.frames) {
        return [];
    }
    const scene = settings.scene ? ["--scene", settings.scene] : [];
    return frameChunker(settings.frames, settings.chunk_size || 1).map((chunk) => {
        const task = author.Task(`render-${chunk}`, "blender");
        task.addCommand(author.Command("blender-render", {
            exe: "{blender}",
            exeArgs: "{blenderArgs}",
            argsBefore: [],
            blendfile: settings.output_file,
            args: scene.concat([
                "--render-output", settings.render_output,
                "--render-format", settings.format,
                "--render-frame", chunk.replaceAll("-", ".."), // Blender's notation of a range
            ]),
        }));
        return task;
    });
}
